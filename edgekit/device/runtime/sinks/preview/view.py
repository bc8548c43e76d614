"""What is to be seen of one stream: its newest picture, small, with what was found in it."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass

from edgekit.device.runtime.sinks.preview.planes import SmallPlanes
from edgekit.device.runtime.streams import StreamFigures
from edgekit.imaging.image import Pixels
from edgekit.schema.detection import Detection
from edgekit.stage import Frame


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenFrame:
    """A frame, without its picture."""

    width_px: int
    height_px: int
    detections: tuple[Detection, ...]
    at_s: float
    """When it was captured, seconds since 1970."""


class StreamView:
    """Filled by a lane, read by the painter; the lane never waits."""

    def __init__(self, width_px: int, fps: float) -> None:
        self._planes = SmallPlanes(width_px)
        self._every_s = 1 / fps
        self._lock = threading.Lock()
        self._due_s = float("-inf")
        self._seen: SeenFrame | None = None
        self._new = False
        self.counts: dict[str, int] = {}
        """The application's, of the last frame."""

    def offer(self, frame: Frame, now_s: float, at_s: float) -> bool:
        """Keep this frame's picture where one is due; False where not, or where the painter reads the one before.

        Args:
            frame: nothing of it is held but what was found.
            now_s: monotonic.
            at_s: the frame's time, seconds since 1970.
        """
        if now_s < self._due_s or not self._lock.acquire(blocking=False):
            return False
        try:
            self._due_s = max(self._due_s, now_s - self._every_s) + self._every_s
            self._planes.fill(frame.image)
            size = {"width_px": frame.image.width_px, "height_px": frame.image.height_px}
            self._seen = SeenFrame(detections=frame.detections, at_s=at_s, **size)
            self._new = True
            return True
        finally:
            self._lock.release()

    @property
    def new(self) -> bool:
        """Whether there is a picture that nobody has taken."""
        return self._new

    def take(self) -> tuple[Pixels, SeenFrame] | None:
        """The newest picture, uint8[height, width, 3], BGR, and the caller's own; None where there was none yet."""
        with self._lock:
            self._new = False
            pixels = self._planes.bgr()
            return None if pixels is None or self._seen is None else (pixels, self._seen)

    def clear(self) -> None:
        """Nobody looks any more: give the memory back."""
        with self._lock:
            self._planes.clear()
            self._seen, self._new, self._due_s = None, False, float("-inf")


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamViews:
    """All streams of an application, for whoever shows them."""

    views: Mapping[str, StreamView]
    figures: Mapping[str, StreamFigures]
    """Filled before the first frame."""
