"""One file per accelerator: how its engines are run."""
