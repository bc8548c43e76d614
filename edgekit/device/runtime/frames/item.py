"""What travels from stage to stage: one frame and all that was found out about it."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from edgekit.imaging.image import Image, Pixels
from edgekit.schema.detection import Detection

__all__ = ["Detection", "EndOfPass", "Item"]


@dataclass(slots=True, kw_only=True)
class Item:
    """One frame on its way. Exactly one lane holds it at a time; whoever holds it may change it."""

    source: str
    index: int
    """Number of the frame in its loop of the clip, from 0."""
    loop: int
    captured_s: float
    """Monotonic time at which the frame was there: latency counts from here."""
    image: Image
    rgb: Pixels | None = None
    """uint8[height, width, 3], RGB, full range, at the model's input size. A buffer of its own for each item."""
    tensor: npt.NDArray[np.generic] | None = None
    """The model's input. It belongs to the `preprocess` stage until the item has left the `infer` stage."""
    outputs: dict[str, npt.NDArray[np.generic]] = field(default_factory=dict)
    """The model's outputs by name, owned by the item."""
    detections: tuple[Detection, ...] = ()
    counts: dict[str, int] = field(default_factory=dict)
    """The application's counts so far in this loop. A stage sets a new dict; it never changes one that it has set."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EndOfPass:
    """Travels behind the last frame of one loop of the clip, through every lane in order, and is never dropped."""

    loop: int
    last: bool
    """No frame follows: each lane ends when it has passed this on."""
