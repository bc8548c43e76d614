"""Whole jobs: they join the rooms of the host, take plain values and a `Progress`, and return frozen results."""
