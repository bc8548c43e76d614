"""What the keeper measures and serves."""
