"""Where frames come from: a file, played like a camera or as fast as it goes."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import av
from av.container import InputContainer
from av.error import FFmpegError

from edgekit.device.runtime.figures import LaneFigures
from edgekit.device.runtime.frames.decoded import image_of, spec_of
from edgekit.device.runtime.frames.item import EndOfPass, Item
from edgekit.errors import InputError
from edgekit.schema.recipe import Source


class FileSource:
    """A clip, decoded on the thread that iterates over it."""

    def __init__(self, name: str, source: Source, release: Path) -> None:
        """Open the clip and find out what its frames are.

        Raises:
            InputError: no such clip, not a video, or its colours are said by nobody.
        """
        self.name = name
        self._source = source
        self._stopped = threading.Event()
        self._frames_in_clip = 0
        try:
            self._clip: InputContainer = av.open(str(release / source.path))
            self._stream = self._clip.streams.video[0]
        except (OSError, FFmpegError, IndexError) as error:
            raise InputError(f"source {name}: {source.path} cannot be played: {error}", hint="give a video") from None
        self._stream.codec_context.thread_count = 1  # the lane's thread decodes, and no other
        self.spec = spec_of(self._stream.codec_context, source.matrix, source.range, name)
        self.fps = float(self._stream.average_rate or 25)

    def stop(self) -> None:
        """End the iteration soon. From any thread."""
        self._stopped.set()

    def close(self) -> None:
        """Free the decoder. On the iterating thread, or after it has ended."""
        self._clip.close()

    def entries(self, figures: LaneFigures) -> Iterator[Item | EndOfPass]:
        """Frames in order, and the end of each pass; for ever where the recipe says so."""
        loop = 0
        began_s = time.monotonic()
        while not self._stopped.is_set():
            for item in self._frames(loop, began_s, figures):
                yield item
                del item
            if self._stopped.is_set():
                return
            loop += 1
            last = loop == self._source.loops
            yield EndOfPass(loop=loop - 1, last=last)
            if last:
                return
            began_s = max(began_s + self._duration_s(), time.monotonic() - 1 / self.fps)
            self._clip.seek(0)

    def _frames(self, loop: int, began_s: float, figures: LaneFigures) -> Iterator[Item]:
        decoded = iter(self._clip.decode(self._stream))
        index = 0
        while not self._stopped.is_set():
            figures.begin("decode")
            try:
                frame = next(decoded, None)
                image = image_of(frame, self.spec) if frame is not None else None
            finally:
                figures.end()
            if frame is None or image is None:
                self._frames_in_clip = index
                return
            if self._source.pace == "camera":
                self._stopped.wait(max(0.0, began_s + index / self.fps - time.monotonic()))
            yield Item(source=self.name, index=index, loop=loop, captured_s=time.monotonic(), image=image)
            index += 1

    def _duration_s(self) -> float:
        return self._frames_in_clip / self.fps
