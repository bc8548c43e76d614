"""What is known of a release before it runs: clips in place of cameras, memory by owner, a picture of its lanes."""
