"""Python packages for a target: resolve, lay out."""
