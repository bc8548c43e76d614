"""edgekit gets vision AI onto ARM edge boards and keeps it running there."""

__version__ = "0.1.0"
