"""From a device's name to its keeper: inventory, connection, protocol, sending."""
