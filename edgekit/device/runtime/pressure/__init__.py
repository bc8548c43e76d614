"""What a worker does without when its keeper says that memory is tight, and when it takes that back."""
