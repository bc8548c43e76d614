"""The virtual board: QEMU."""
