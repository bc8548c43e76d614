"""Leases: the right to use a decoder's memory, counted before there is more of it.

A frame's picture lies in the decoder's own memory, which cannot be used again before the picture is let go of. So each
stream has a fixed number of leases. One belongs to a frame from its decoding until the last lane has let it go; then
the frame has no picture any more, and asking for it is an error. An array that somebody took out of a picture cannot be
taken back: its memory stays, its lease stays with it, and `frames.watch` says who did so.
"""

from __future__ import annotations

import sys
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from edgekit.device.runtime.frames.pool import PicturePool
from edgekit.device.runtime.wakeup import WakeUp
from edgekit.errors import FrameReleased
from edgekit.imaging.copying import planes_of
from edgekit.imaging.image import Image, Pixels
from edgekit.stage import Frame, KeptPicture

WAITING = "waiting"
"""What a lane does with a frame that stands in line in front of it."""
NO_LEASE = "leases"
"""Why a camera's frame is dropped that nobody has a lease for."""


class LeaseBroken(Exception):
    """A lane handles a frame that is not its own: a fault of the runtime."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldLease:
    """Who has one lease, now."""

    stream: str
    sequence: int
    """Of the frame."""
    generation: int
    """Of the lease."""
    since_s: float
    """When the frame was decoded; of a view that outlives its frame: when that ended."""
    lane: str
    place: str
    """The stage or sink that works on it, or `waiting`; of a view that outlives its frame: who has it, if known."""
    outlives: bool = False
    """Whether the frame has ended, and somebody still has an array of its picture."""


@dataclass(slots=True, eq=False)
class FrameLease:
    """One of a stream's leases. It is lent again and again; its generation tells the frames apart."""

    stream: StreamLeases
    generation: int = 0
    sequence: int = -1
    since_s: float = 0.0
    holders: dict[str, str] = field(default_factory=dict)
    """Lanes that have the frame, several only where it goes to several sinks, and what each does with it."""
    lane: str = ""
    """The suspect's; else the one that let it go last."""
    references: int = 0
    """To the picture and its arrays, before the step that is at work."""
    suspect: str = ""
    """The first step after which there were more."""
    outliving: list[weakref.ref[Pixels]] = field(default_factory=list)
    """Memory that is still in use after the frame's end."""

    def keep(self, frame: Frame) -> KeptPicture:
        """See `Frame.keep`."""
        lane, place = next(iter(list(self.holders.items())), ("", ""))
        owner = f"{place} of lane {lane}, stream {frame.stream}"
        return KeptPicture(self.stream.pool.copy(frame.image, owner), frame.stream, frame.sequence)


class StreamLeases:
    """The leases of one stream. Any thread may use them."""

    def __init__(self, stream: str, most: int, pool: PicturePool, clock: Callable[[], float] = time.monotonic) -> None:
        """All are free.

        Args:
            stream: its name.
            most: how many pictures of it may be in use at once.
            pool: where pictures go that are kept.
            clock: monotonic seconds.
        """
        self.stream, self.most, self.pool = stream, most, pool
        self._clock = clock
        self._lock = threading.Lock()
        self._all = [FrameLease(self) for _ in range(most)]
        self._free = list(self._all)
        self._changed = WakeUp()
        """For the stream's source, which alone waits here."""
        self._closed = False
        self._ended: deque[tuple[FrameLease, int]] = deque()
        """Leases of which an outliving array has ended, with their generation. Written without
        the lock: see `PicturePool`."""

    @property
    def held(self) -> int:
        """How many are not free."""
        with self._lock:
            self._take_back()
            return self.most - len(self._free)

    def holders(self) -> list[HeldLease]:
        """Who has them, the oldest first."""
        with self._lock:
            self._take_back()
            found = [held for lease in self._all for held in _holders_of(lease)]
        return sorted(found, key=lambda one: one.since_s)

    def wait(self) -> bool:
        """Wait until one is free; False once they are closed."""
        while True:
            with self._lock:
                self._take_back()
                if self._closed or self._free:
                    return not self._closed
            self._changed.sleep()

    def wait_for_all(self, within_s: float) -> bool:
        """Wait until all are free; False where they are not in time."""
        deadline_s = time.monotonic() + within_s
        while (left_s := deadline_s - time.monotonic()) > 0:
            if not self.held or self._closed:
                break
            self._changed.sleep(timeout=left_s)
        return not self.held

    def close(self) -> None:
        """Nobody waits any more."""
        self._closed = True
        self._changed.wake()

    def lend(self, frame: Frame, lane: str) -> bool:
        """Give a frame its lease; False where none is free.

        Args:
            frame: as its source has made it; nobody else has it.
            lane: the thread that has it.
        """
        with self._lock:
            self._take_back()
            if not self._free:
                return False
            lease = self._free.pop()
            lease.generation += 1
            lease.sequence, lease.since_s = frame.sequence, self._clock()
            lease.holders[lane] = "decode"
            lease.suspect = ""
        frame.lease, frame.generation = lease, lease.generation
        return True

    def pass_on(self, frame: Frame, lease: FrameLease, lane: str, to: Iterable[str]) -> None:
        """One lane has done its work, others get the frame."""
        with self._lock:
            _check(frame, lease, lane)
            del lease.holders[lane]
            for name in to:
                lease.holders[name] = WAITING

    def let_go(self, frame: Frame, lease: FrameLease, lane: str) -> None:
        """A lane is done with a frame. With the last one its picture ends."""
        with self._lock:
            _check(frame, lease, lane)
            del lease.holders[lane]
            lease.lane = lease.lane if lease.suspect else lane
            if lease.holders:
                return
        roots = _roots(frame.image)
        _end_picture(frame)
        alive = [array for root in roots if (array := root()) is not None]
        with self._lock:
            lease.since_s = self._clock()
            noted = partial(self._note_end, lease, lease.generation)
            lease.outliving = [weakref.ref(array, noted) for array in alive]
            if not alive:
                self._free.append(lease)
        alive.clear()
        self._changed.wake()

    def _note_end(self, lease: FrameLease, generation: int, _array: object) -> None:
        self._ended.append((lease, generation))
        self._changed.wake()

    def _take_back(self) -> None:
        """With the lock held."""
        while self._ended:
            lease, generation = self._ended.popleft()
            if lease.outliving and lease.generation == generation:  # else its last array was seen to have ended before
                lease.outliving = [ref for ref in lease.outliving if ref() is not None]
                if not lease.outliving:
                    self._free.append(lease)


def pass_on(frame: Frame, lane: str, to: Iterable[str]) -> None:
    """A lane hands a frame on to others.

    Raises:
        LeaseBroken: the frame is not the lane's.
    """
    lease = frame.lease
    if isinstance(lease, FrameLease):
        lease.stream.pass_on(frame, lease, lane, to)


def let_go(frame: Frame, lane: str) -> None:
    """A frame's way ends in a lane: if no other has it, its picture is gone.

    Raises:
        LeaseBroken: the frame is not the lane's.
    """
    lease = frame.lease
    if isinstance(lease, FrameLease):
        lease.stream.let_go(frame, lease, lane)


def note_step(frame: Frame, lane: str, step: str) -> None:
    """A lane's step begins to work on a frame."""
    lease = frame.lease
    if isinstance(lease, FrameLease):
        lease.holders[lane] = step
        lease.references = _references(frame)


def note_done(frame: Frame, lane: str, step: str) -> None:
    """A step has worked on a frame. If there are more references to the picture than before, it has taken one."""
    lease = frame.lease
    if (
        isinstance(lease, FrameLease)
        and not lease.suspect
        and len(lease.holders) == 1  # else another lane's step may be looking at it
        and _references(frame) > lease.references
    ):
        lease.suspect, lease.lane = step, lane


def adopt(frame: Frame, made: Frame) -> Frame:
    """A stage has returned another frame than it was given: that one has the lease from now on.

    Raises:
        FrameReleased: it is one whose way has ended.
    """
    if made.lease is not None:
        raise FrameReleased(
            f"frame {made.sequence} of stream {made.stream} has ended: a stage returns it instead of {frame.sequence}",
            hint="return the frame that the stage was given, or a new one; keep pictures with frame.keep()",
        )
    made.lease, made.generation, frame.lease = frame.lease, frame.generation, None
    if made.lease is not None:
        del frame.image  # its results may be the new one's too
    return made


def _check(frame: Frame, lease: FrameLease, lane: str) -> None:
    if frame.generation != lease.generation or lane not in lease.holders:
        raise LeaseBroken(f"lane {lane} has no lease for frame {frame.sequence} of stream {frame.stream}")


def _holders_of(lease: FrameLease) -> list[HeldLease]:
    outlives = bool(lease.outliving)
    holders = [(lease.lane, lease.suspect)] if outlives else list(lease.holders.items())
    return [
        HeldLease(
            stream=lease.stream.stream,
            sequence=lease.sequence,
            generation=lease.generation,
            since_s=lease.since_s,
            lane=lane,
            place=place,
            outlives=outlives,
        )
        for lane, place in holders
    ]


def _root(plane: Pixels) -> Pixels:
    """The array that every view of a plane's memory keeps alive: numpy lays no chains of bases."""
    return plane.base if isinstance(plane.base, np.ndarray) else plane


def _roots(image: Image) -> list[weakref.ref[Pixels]]:
    return [weakref.ref(_root(plane)) for plane in planes_of(image)]


def _end_picture(frame: Frame) -> None:
    for result in frame.results.values():
        result.end()
    del frame.image


def _references(frame: Frame) -> int:
    """To its picture and the arrays of it, but for those that end with the frame."""
    image = frame.image
    count = sys.getrefcount(image) - sum(result.holds_frame for result in frame.results.values())
    for plane in planes_of(image):
        count += sys.getrefcount(plane)
        if plane.base is not None:
            count += sys.getrefcount(plane.base)
    return count
