"""A stream of pictures that are made by their number: read from a folder, or drawn."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Protocol

from edgekit.device.runtime.figures import LaneFigures
from edgekit.device.runtime.frames.stream import Entry, StreamEnded, StreamRestarted, StreamStarted
from edgekit.device.runtime.sources.pace import Pace
from edgekit.imaging.image import Image
from edgekit.schema.detection import Detection
from edgekit.stage import Frame, StreamInfo


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """One picture, and what is in it where that is known."""

    image: Image
    truth: tuple[Detection, ...] | None = None


class PictureMaker(Protocol):
    """Makes pictures."""

    count: int
    """How many there are; 0 is without end."""

    def picture(self, number: int) -> Picture:
        """One of them; its memory is the caller's."""


class NumberedSource:
    """Plays pictures at a rate. See `edgekit.device.runtime.sources.source.FrameSource`."""

    def __init__(self, info: StreamInfo, pictures: PictureMaker, *, loops: int, pace: Pace, live: bool) -> None:
        """Play nothing yet.

        Args:
            info: what the first picture is.
            pictures: makes them.
            loops: how often they are played; 0 is for ever.
            pace: when.
            live: see `FrameSource.live`.
        """
        self.info, self.live = info, live
        self._pictures, self._loops, self._pace = pictures, loops, pace

    @property
    def name(self) -> str:
        """See `FrameSource.name`."""
        return self.info.name

    def stop(self) -> None:
        """See `FrameSource.stop`."""
        self._pace.stop()

    def close(self) -> None:
        """See `FrameSource.close`."""

    def entries(self, figures: LaneFigures) -> Iterator[Entry]:
        """See `FrameSource.entries`."""
        yield StreamStarted(info=self.info)
        began_s, sequence = self._pace.clock(), 0
        for passes in itertools.count(1):
            for number in self._numbers():
                figures.begin("decode")
                picture = self._pictures.picture(number)
                figures.end()
                captured_s = self._pace.until(began_s + sequence / self.info.fps)
                if self._pace.stopped:
                    return
                yield from self._changed(picture.image)
                frame = Frame(stream=self.name, sequence=sequence, captured_s=captured_s, image=picture.image)
                frame.truth = picture.truth
                sequence += 1
                del picture  # the frame's picture ends with its way, and nothing here shall hold it longer
                yield frame
                del frame
            if passes == self._loops:
                yield StreamEnded(stream=self.name, reason=f"the pictures were played {passes} times")
                return
            yield StreamRestarted(info=self.info, again="pass", reason="the pictures begin again")

    def _numbers(self) -> Iterable[int]:
        return range(self._pictures.count) if self._pictures.count else itertools.count()

    def _changed(self, image: Image) -> Iterator[StreamRestarted]:
        if image.spec != self.info.spec:
            self.info = replace(self.info, spec=image.spec)
            reason = f"pictures are {image.width_px}x{image.height_px} from here on"
            yield StreamRestarted(info=self.info, again="change", reason=reason)
