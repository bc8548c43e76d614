"""Judges who may sign for a device and which releases it takes: pure, without clock or disk, for host and board."""
