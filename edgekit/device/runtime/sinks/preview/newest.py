"""The newest JPEG of each stream, and who looks: where the painter's thread, the server's and the lanes' meet."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Jpeg:
    """One encoded picture, for all viewers."""

    number: int
    """Rises with each picture of any stream."""
    data: bytes
    of_a_frame: bool
    """False for a card that says why there is no picture, or for one that is over."""


class NewestJpegs:
    """Keeps one picture of each stream that somebody looks at, and none of the others."""

    def __init__(self, streams: Iterable[str]) -> None:
        self._watchers = dict.fromkeys(streams, 0)
        """Written by the server's thread alone."""
        self._jpegs: dict[str, Jpeg] = {}
        self._lock = threading.Lock()
        self._number = 0
        self.paused = False
        """Whether nobody is shown anything: memory is tight."""
        self._loop: asyncio.AbstractEventLoop | None = None
        self._changed = asyncio.Event()
        self.on_watched: Callable[[], None] = lambda: None
        """Called when somebody begins to look, or nobody looks any more."""

    @property
    def streams(self) -> tuple[str, ...]:
        """All there are."""
        return tuple(self._watchers)

    def is_watched(self, stream: str) -> bool:
        """Whether somebody looks at it: any thread may ask, and asking costs nothing."""
        return not self.paused and self._watchers.get(stream, 0) > 0

    def pause(self, *, paused: bool) -> None:
        """Show nothing, as if nobody looked, or what comes again. Any thread."""
        with self._lock:
            self.paused = paused
            if paused:
                self._jpegs.clear()
        self.on_watched()

    def serve_on(self, loop: asyncio.AbstractEventLoop) -> None:
        """Wake the viewers of this loop from now on; called on its thread."""
        self._changed, self._loop = asyncio.Event(), loop

    def publish(self, stream: str, data: bytes, *, of_a_frame: bool) -> None:
        """A new picture. Any thread; what nobody looks at is not kept."""
        with self._lock:
            if not self.is_watched(stream):
                return
            self._number += 1
            self._jpegs[stream] = Jpeg(number=self._number, data=data, of_a_frame=of_a_frame)
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._wake)

    def of(self, stream: str) -> Jpeg | None:
        """The newest one."""
        return self._jpegs.get(stream)

    @contextmanager
    def watching(self, streams: Iterable[str]) -> Iterator[None]:
        """Look at these. On the server's thread."""
        names = tuple(streams)
        for name in names:
            self._watchers[name] += 1
        self.on_watched()
        try:
            yield
        finally:
            with self._lock:
                for name in names:
                    self._watchers[name] -= 1
                    if not self._watchers[name]:
                        self._jpegs.pop(name, None)  # who looks next shall see no picture from before
            self.on_watched()

    async def change(self) -> None:
        """Wait for the next picture of any stream. On the server's thread."""
        await self._changed.wait()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()
