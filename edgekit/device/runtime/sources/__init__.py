"""Where frames come from. One module a kind."""
