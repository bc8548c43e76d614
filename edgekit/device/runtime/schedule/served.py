"""A request from outside that stands in line among the frames of cameras."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

from edgekit.imaging.image import Image
from edgekit.stage import Frame

_NO_PICTURE = cast(Image, None)
"""Nobody asks for it: no stage sees a request."""


@dataclass(slots=True, kw_only=True, eq=False)
class ServedRequest(Frame):
    """Work of a lane that comes from no camera. It counts as a frame of its stream, and its way ends in the lane."""

    image: Image = _NO_PICTURE
    work: Callable[[], None]
    """Does it, on the lane's thread. Raises nothing."""
    refuse: Callable[[str], None]
    """Called instead, with the cause, where it is dropped; any thread, which holds a lock: it returns at once."""
