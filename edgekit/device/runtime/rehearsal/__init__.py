"""A release's stages tried on the workstation, which is not its device."""
