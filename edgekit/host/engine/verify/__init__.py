"""Does an engine answer as its float model does, on real pictures."""
