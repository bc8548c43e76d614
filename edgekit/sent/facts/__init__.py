"""What a machine is: read by the modules of this folder, which travel as one text."""
