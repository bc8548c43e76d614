"""Imports wheels that were built here in the target's Python under emulation, before anything relies on them."""
