"""Where results go. One module a kind."""
