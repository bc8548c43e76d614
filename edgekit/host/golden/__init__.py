"""Golden answers on the workstation: what changed in them, how they are shown, and how they are written."""
