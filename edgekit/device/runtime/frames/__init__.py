"""One picture on its way, with its time, its colours, and what was found in it."""
