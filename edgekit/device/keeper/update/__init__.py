"""Which release runs: blobs, releases, the saved state machine of an activation, health."""
