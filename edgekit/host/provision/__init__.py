"""The keeper onto a device: facts, plan, apply."""
