"""Devices: inventory, facts, provisioning, deployment."""
