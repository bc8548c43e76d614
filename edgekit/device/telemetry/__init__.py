"""Reads a board's sensors, in a process of its own that the keeper starts when somebody looks: a driver may hang."""
