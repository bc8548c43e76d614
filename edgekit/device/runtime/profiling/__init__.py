"""Measures what a release costs on this machine: its own pipeline plays clips, cut off from everything outside."""
