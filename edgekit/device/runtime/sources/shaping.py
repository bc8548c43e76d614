"""What a recipe asks of any stream, whatever its kind: not more than so many frames a second, a part of the picture."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TypeVar

from edgekit.device.runtime.figures import LaneFigures
from edgekit.device.runtime.frames.stream import Entry, StreamLost, StreamRestarted, StreamStarted
from edgekit.device.runtime.sources.source import CanBeLeft, FrameSource
from edgekit.errors import InputError
from edgekit.imaging.cutting import cut
from edgekit.imaging.image import FrameSpec, RgbSpec
from edgekit.schema.source import StreamOptions
from edgekit.stage import Frame, StreamInfo

RATE, TOO_SMALL = "max_fps", "roi"
"""Why frames are dropped here."""
_EARLY = 0.1
"""Of a period: a frame that comes so much too early is on time, as cameras' frames do not come evenly."""

Spec = TypeVar("Spec", FrameSpec, RgbSpec)


class Shaped:
    """A source whose frames are thinned out and cut. See `FrameSource`."""

    def __init__(self, source: FrameSource, options: StreamOptions) -> None:
        """Shape a source.

        Raises:
            InputError: it is smaller than its region of interest.
        """
        self._source, self._options = source, options
        self._limit = RateLimit(options.max_fps) if options.max_fps is not None else None
        self.info: StreamInfo | None = None if source.info is None else self._shaped(source.info)

    @property
    def name(self) -> str:
        """See `FrameSource.name`."""
        return self._source.name

    @property
    def live(self) -> bool:
        """See `FrameSource.live`."""
        return self._source.live

    def entries(self, figures: LaneFigures) -> Iterator[Entry]:
        """See `FrameSource.entries`. A camera that gives too small a picture is lost until it gives another."""
        fits = True
        for entry in self._source.entries(figures):
            match entry:
                case Frame() if not fits:
                    figures.drop(entry.stream, figures.name, TOO_SMALL)
                case Frame():
                    if self._limit is not None and not self._limit.admits(entry.captured_s):
                        figures.drop(entry.stream, figures.name, RATE)
                    else:
                        if self._options.roi is not None:
                            entry.image = cut(entry.image, self._options.roi)
                        yield entry
                case StreamStarted(info=info) | StreamRestarted(info=info):
                    try:
                        self.info = self._shaped(info)
                    except InputError as error:
                        if not self.live:
                            raise
                        fits = False
                        yield StreamLost(stream=self.name, state="down", reason=error.message, cause=error.cause)
                        continue
                    fits = True
                    yield replace(entry, info=self.info)
                case _:
                    yield entry
            del entry  # else this frame keeps a picture alive while the next one is decoded

    def leave(self, *, alone: bool) -> None:
        """See `CanBeLeft.leave`."""
        if isinstance(self._source, CanBeLeft):
            self._source.leave(alone=alone)

    def stop(self) -> None:
        """See `FrameSource.stop`."""
        self._source.stop()

    def close(self) -> None:
        """See `FrameSource.close`."""
        self._source.close()

    def _shaped(self, info: StreamInfo) -> StreamInfo:
        roi, spec = self._options.roi, info.spec
        if roi is None:
            return info
        if roi.left_px + roi.width_px > spec.width_px or roi.top_px + roi.height_px > spec.height_px:
            raise InputError(
                f"source {info.name}: its picture is {spec.width_px}x{spec.height_px}, "
                f"and roi asks for {roi.width_px}x{roi.height_px} at {roi.left_px},{roi.top_px}",
                hint=f"choose a part of the picture in pipeline.sources.{info.name}.roi",
            )
        spec = replace(spec, width_px=roi.width_px, height_px=roi.height_px)
        return replace(info, spec=spec, left_px=roi.left_px, top_px=roi.top_px)


class RateLimit:
    """Lets the newest frame of each period through. Pure: time is what frames say."""

    def __init__(self, most_fps: float) -> None:
        self._period_s = 1 / most_fps
        self._due_s: float | None = None

    def admits(self, at_s: float) -> bool:
        """Whether the frame of this time goes on. Times fall on a grid, so the rate holds over time."""
        longest_s = (1 + _EARLY) * self._period_s  # from a frame that was early to the one after the next
        if self._due_s is None or not -longest_s < at_s - self._due_s < self._period_s:
            self._due_s = at_s  # the first, or after a pause or a jump of the clock: a new grid
        if at_s < self._due_s - _EARLY * self._period_s:
            return False
        self._due_s += self._period_s
        return True
