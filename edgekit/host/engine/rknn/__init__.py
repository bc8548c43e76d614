"""RKNN's vendor toolkit: made in an environment of its own, called with a job, its output read."""
