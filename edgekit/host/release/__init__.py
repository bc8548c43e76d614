"""Assembles signed releases."""
