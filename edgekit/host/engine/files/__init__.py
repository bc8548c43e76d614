"""What an engine or model file says about itself, read without running it."""
