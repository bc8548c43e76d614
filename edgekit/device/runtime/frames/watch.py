"""Names who holds a picture for too long: a lane that stands still, or a stage that keeps an array of it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping

from edgekit.device.runtime.frames.leases import WAITING, HeldLease, StreamLeases
from edgekit.device.runtime.frames.pool import PicturePool

TOO_LONG_S = 3.0
"""A look comes about once a second: who holds a lease for so long is named before it is five seconds old."""
_SAY_AGAIN_S = 60.0
_LOG = logging.getLogger("edgekit.frames")


class LeaseWatch:
    """Looks at all leases now and then, on a thread that has nothing to do with them."""

    def __init__(
        self,
        streams: Mapping[str, StreamLeases],
        pool: PicturePool,
        clock: Callable[[], float] = time.monotonic,
        say: Callable[[str], object] = _LOG.warning,
    ) -> None:
        """Watch.

        Args:
            streams: leases by stream.
            pool: memory of kept pictures; what it has not used for a while is given back here.
            clock: monotonic seconds; the leases'.
            say: writes a line to the log.
        """
        self._streams, self._pool, self._clock, self._say = streams, pool, clock, say
        self._said: dict[tuple[str, str, str, bool], float] = {}
        """When it was last said of a stream, lane and place."""

    def look(self) -> None:
        """Write to the log who holds something too long, each at most once a minute; tidy up the pool."""
        now_s = self._clock()
        self._said = {key: at_s for key, at_s in self._said.items() if now_s - at_s < _SAY_AGAIN_S}
        for leases in self._streams.values():
            for held in leases.holders():
                key = (held.stream, held.lane, held.place, held.outlives)
                if now_s - held.since_s >= TOO_LONG_S and key not in self._said:
                    self._said[key] = now_s
                    self._say(in_words(held, now_s, leases.most))
        self._pool.trim()


def in_words(held: HeldLease, now_s: float, most: int) -> str:
    """Who holds which picture, for how long."""
    age_s = now_s - held.since_s
    picture = f"stream {held.stream}: picture {held.sequence}"
    if held.outlives:
        by = f"{held.place} of lane {held.lane} has kept it" if held.place else f"it was last in lane {held.lane}"
        return (
            f"{picture}: an array of it is still held {age_s:.1f} s after its frame has ended, {by}; it takes one of "
            f"{most} leases: keep a copy with frame.keep()"
        )
    if held.place == WAITING:
        return f"{picture} is held for {age_s:.1f} s: it waits in front of lane {held.lane}"
    return f"{picture} is held for {age_s:.1f} s by {held.place} of lane {held.lane}"
