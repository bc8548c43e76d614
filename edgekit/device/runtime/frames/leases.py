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
from edgekit.imaging.image import Pixels
from edgekit.stage import Frame, KeptPicture

WAITING = "waiting"
"""What a lane does with a frame that stands in line in front of it."""
_WATCHED_FRAMES = 100
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
    """To the picture and its arrays, before the step that is at work; 0 where nobody has counted."""
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
        """On a frame's way it is taken only where several lanes have the frame."""
        self._all = [FrameLease(self) for _ in range(most)]
        self._free = list(self._all)
        """Taken from by the stream's source alone; anybody adds."""
        self._sought = False
        self._changed = WakeUp()
        """For the stream's source, which alone waits here."""
        self._closed = False
        self._ended: deque[tuple[FrameLease, int]] = deque()
        """Leases of which an outliving array has ended, with their generation. Written without the lock, like a pool's
        list of buffers that came back."""
        self.watched = 0
        """So many frames' steps are watched for arrays that they keep. That costs, so somebody has kept one before."""

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
        """Wait until one is free; False once they are closed. For the stream's source."""
        while not self._closed:
            self._sought = True  # before looking: who lets one go after that wakes this thread
            if self._ended:
                self._take_back_all()
            if self._free:
                self._sought = False
                return True
            self._changed.sleep()
        return False

    def wait_for_all(self, within_s: float) -> bool:
        """Wait until all are free; False where they are not in time. For the stream's source."""
        deadline_s = time.monotonic() + within_s
        self._sought = True
        while self.held and not self._closed and (left_s := deadline_s - time.monotonic()) > 0:
            self._changed.sleep(timeout=left_s)
        self._sought = False
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
        if self._ended:
            self._take_back_all()
        if not self._free:
            return False
        if self.watched:
            self.watched -= 1
        lease = self._free.pop()
        lease.generation += 1
        lease.sequence, lease.since_s = frame.sequence, self._clock()
        lease.suspect, lease.references = "", 0
        lease.holders[lane] = "decode"
        frame.lease, frame.generation = lease, lease.generation
        return True

    def end(self, frame: Frame, lease: FrameLease) -> None:
        """No lane has the frame: its picture ends, and the lease is free when the last array of it is gone."""
        roots = [weakref.ref(_root(plane)) for plane in planes_of(frame.image)]
        for result in frame.results.values():
            result.end()
        del frame.image
        for root in roots:
            if root() is not None:
                self._outlive(lease, roots)
                return
        self._give_back(lease)

    def leave(self, lease: FrameLease, lane: str) -> bool:
        """One of several lanes has done its work; whether it was the last one after all."""
        with self._lock:
            last = len(lease.holders) == 1
            del lease.holders[lane]
        return last

    def _outlive(self, lease: FrameLease, roots: list[weakref.ref[Pixels]]) -> None:
        """Somebody has an array of the picture, and so its memory."""
        alive = [array for root in roots if (array := root()) is not None]
        noted = partial(self._note_end, lease, lease.generation)
        self.watched = _WATCHED_FRAMES
        with self._lock:
            lease.since_s = self._clock()
            lease.outliving = [weakref.ref(array, noted) for array in alive]
        if not alive:
            self._give_back(lease)

    def _give_back(self, lease: FrameLease) -> None:
        self._free.append(lease)
        if self._sought:
            self._changed.wake()

    def _note_end(self, lease: FrameLease, generation: int, _array: object) -> None:
        self._ended.append((lease, generation))
        self._changed.wake()

    def _take_back_all(self) -> None:
        with self._lock:
            self._take_back()

    def _take_back(self) -> None:
        """With the lock held."""
        while self._ended:
            lease, generation = self._ended.popleft()
            if lease.outliving and lease.generation == generation:  # else its last array was seen to have ended before
                lease.outliving = [ref for ref in lease.outliving if ref() is not None]
                if not lease.outliving:
                    self._free.append(lease)


def pass_on(frame: Frame, lane: str, to: Iterable[str]) -> None:
    """A lane hands a frame on to others, at least one.

    Raises:
        LeaseBroken: the frame is not the lane's.
    """
    lease = frame.lease
    if isinstance(lease, FrameLease):
        holders = _holders(frame, lease, lane)
        for name in to:
            holders[name] = WAITING
        del holders[lane]


def let_go(frame: Frame, lane: str) -> None:
    """A frame's way ends in a lane: if no other has it, its picture is gone.

    Raises:
        LeaseBroken: the frame is not the lane's.
    """
    lease = frame.lease
    if isinstance(lease, FrameLease):
        holders = _holders(frame, lease, lane)
        if not lease.suspect:
            lease.lane = lane
        if len(holders) > 1:
            if not lease.stream.leave(lease, lane):
                return
        else:  # who alone has a frame need not care for others: nobody else can hand it on
            del holders[lane]
        lease.stream.end(frame, lease)


def note_step(frame: Frame, lane: str, step: str) -> None:
    """A lane's step begins to work on a frame."""
    lease = frame.lease
    if isinstance(lease, FrameLease):
        lease.holders[lane] = step
        if lease.stream.watched:
            lease.references = _references(frame)


def note_done(frame: Frame, lane: str, step: str) -> None:
    """A step has worked on a frame. If there are more references to the picture than before, it has taken one."""
    lease = frame.lease
    if isinstance(lease, FrameLease) and lease.references:
        alone = len(lease.holders) == 1  # else another lane's step may be looking at it
        if alone and not lease.suspect and _references(frame) > lease.references:
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


def _holders(frame: Frame, lease: FrameLease, lane: str) -> dict[str, str]:
    holders = lease.holders
    if frame.generation != lease.generation or lane not in holders:
        raise LeaseBroken(f"lane {lane} has no lease for frame {frame.sequence} of stream {frame.stream}")
    return holders


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
    """The array that every view of a plane's memory holds: numpy lays no chains of them."""
    base = plane.base
    return base if isinstance(base, np.ndarray) else plane


def _references(frame: Frame) -> int:
    """To its picture and the arrays of it, but for those that end with the frame."""
    image = frame.image
    count = sys.getrefcount(image) - sum(result.holds_frame for result in frame.results.values())
    for plane in planes_of(image):
        count += sys.getrefcount(plane)
        if plane.base is not None:
            count += sys.getrefcount(plane.base)
    return count
