"""The board side: the keeper, and the worker that it starts."""
