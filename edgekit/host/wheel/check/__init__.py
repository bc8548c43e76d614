"""Whether wheels can load on a target: every ELF file is read, and every promise of the wheel's name is checked."""
