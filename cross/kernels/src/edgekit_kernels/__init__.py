"""Compiled parts of edgekit's worker. `picture` is the face of `_picture`, which needs nothing but Python."""
