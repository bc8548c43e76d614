"""Foretells how a plan runs: its lanes' queues and scheduler as they are, with a virtual clock, CPUs and stages."""
