"""Wheels that were built here are imported by the target's own Python, emulated, before anything relies on them."""
