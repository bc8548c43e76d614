"""Where frames come from. One module a kind, and the table of kinds."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from edgekit.device.runtime.figures import LaneFigures
from edgekit.device.runtime.frames.stream import Entry
from edgekit.schema.recipe import RecipeSource
from edgekit.stage import StreamInfo


class FrameSource(Protocol):
    """Makes one stream. Opened when it is made; what it knows of its frames is in `info` from then on."""

    info: StreamInfo

    def entries(self, figures: LaneFigures) -> Iterator[Entry]:
        """The stream, from `StreamStarted` to `StreamEnded` or until `stop`.

        Args:
            figures: notes when decoding begins and ends, so that waiting for the camera is not counted as work.
        """

    def stop(self) -> None:
        """End the iteration soon. From any thread."""

    def close(self) -> None:
        """Free the decoder. On the iterating thread, or after it has ended."""


def open_source(name: str, source: RecipeSource, release: Path) -> FrameSource:
    """The source of a plan, opened.

    Raises:
        InputError: it cannot be played, or its colours are stated nowhere.
    """
    from edgekit.device.runtime.sources.file import ClipReader  # noqa: PLC0415  a kind is imported where it is used

    return ClipReader(name, source, release)
