"""What a worker cannot do: written down here, carried out by `enter`, the few steps before its first line."""
