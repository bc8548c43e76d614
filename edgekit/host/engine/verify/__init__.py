"""Compares an engine's answers with the float model's, on real pictures."""
