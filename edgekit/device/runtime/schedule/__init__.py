"""Where stages run: lanes of pinned threads, and the bounded queues in front of them."""
