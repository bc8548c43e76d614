"""Where frames come from. One module a kind, and the table of kinds: `opening`."""
