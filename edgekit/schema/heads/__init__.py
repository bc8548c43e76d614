"""Which head a model has, by the shapes of its outputs and what it says of itself: pure, for build and for `init`."""
