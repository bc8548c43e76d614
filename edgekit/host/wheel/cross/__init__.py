"""Cross-builds source packages: a build front end drives a back end that sees the board instead of this machine."""
