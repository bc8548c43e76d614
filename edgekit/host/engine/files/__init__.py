"""Describes engine and model files without running them."""
