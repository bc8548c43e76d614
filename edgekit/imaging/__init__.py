"""Pictures that know their colours, and conversions between them: the same on the host and on the board."""
