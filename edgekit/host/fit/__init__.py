"""Does a release fit that device: one file per accelerator."""
