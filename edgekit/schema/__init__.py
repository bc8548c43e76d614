"""Frozen data that users write and that the host and the device exchange. No I/O."""
