"""Models to engines."""
