"""What a source is to the rest of the runtime."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol, runtime_checkable

from edgekit.device.runtime.figures import LaneFigures
from edgekit.device.runtime.frames.stream import Entry
from edgekit.stage import StreamInfo


class FrameSource(Protocol):
    """Makes one stream."""

    @property
    def name(self) -> str:
        """The source's."""

    @property
    def live(self) -> bool:
        """Whether its frames wait for nobody, as a camera's: those that nobody takes are dropped, the newest win."""

    @property
    def info(self) -> StreamInfo | None:
        """What its frames are; None until a camera has said so. A clip knows from the start."""

    def entries(self, figures: LaneFigures) -> Iterator[Entry]:
        """The stream, from `StreamStarted` to `StreamEnded` or until `stop`.

        Args:
            figures: notes when decoding begins and ends, so that waiting for the camera is not counted as work; and
                frames that are dropped here.
        """

    def stop(self) -> None:
        """End the iteration soon. From any thread."""

    def close(self) -> None:
        """Free the decoder. On the iterating thread, or after it has ended."""


@runtime_checkable
class CanBeLeft(Protocol):
    """A source that gives its memory back where nobody wants its frames: a camera's connection ends meanwhile."""

    def leave(self, *, alone: bool) -> None:
        """Leave it alone, or play it again. From any thread."""
