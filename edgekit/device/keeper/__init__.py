"""The daemon `edgekitd`: installs, activates, supervises, restores. Standard library alone; it travels as one zip."""
