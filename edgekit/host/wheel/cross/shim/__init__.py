"""Files that go into a build's virtual environment; they are read as data and run there, never imported here."""
