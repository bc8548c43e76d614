"""The program that applies patches: a process of its own, without rights, started by the keeper."""
