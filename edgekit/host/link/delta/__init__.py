"""How a release becomes few bytes: files matched with those that a device has, patches made, ways planned."""
