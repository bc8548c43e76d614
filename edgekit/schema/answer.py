"""The line above which a device's answer does not begin. It costs nothing to import, also on a slow board."""

ANSWER_MARK = "edgekit: the answer begins here"
"""Written on a line of its own before anything else by every program that edgekit starts on a device and reads from:
what stands above it comes from a login shell's start-up files."""
