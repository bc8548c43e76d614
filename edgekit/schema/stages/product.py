"""What stages leave in a frame for each other."""

from __future__ import annotations

from typing import Literal

Product = Literal["picture", "tensor", "outputs", "detections", "tracks", "counts", "events"]
"""What one stage leaves in a frame for the next: the scaled picture, the model's input made of it, the model's outputs,
what was found, which of it is the same as before, how many there were. A `python` stage may leave any of it."""
