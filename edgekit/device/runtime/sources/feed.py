"""The thread of one source: decodes, and puts what comes in line in front of the first lanes."""

from __future__ import annotations

import sys
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from edgekit.device.runtime.figures import LaneFigures
from edgekit.device.runtime.frames.leases import NO_LEASE, StreamLeases, let_go, pass_on
from edgekit.device.runtime.frames.stream import Entry, StreamEnded, StreamLost
from edgekit.device.runtime.schedule.lanes import Lane
from edgekit.device.runtime.schedule.queues import CLOSING
from edgekit.device.runtime.schedule.threads import PinnedThread
from edgekit.device.runtime.sources.easing import Easing
from edgekit.device.runtime.sources.source import CanBeLeft, FrameSource
from edgekit.device.runtime.streams import StreamFigures
from edgekit.errors import EdgekitError
from edgekit.judging.error_causes import cause_of
from edgekit.stage import Frame

LOST = "lost"
"""Why frames are dropped that wait while their camera is lost."""
_SHED_S = 0.1
"""How often a recording that is left alone looks whether it shall go on."""
_LET_GO_S = 1.0
"""Stages have so long to finish the frames of a lost camera; it is connected again after this and a pause."""


@dataclass(slots=True, kw_only=True, eq=False)
class Feed:
    """One source and its thread. A source that fails ends its stream alone."""

    name: str
    """Of its thread: a lane has one for each of its sources, beside the one that runs its stages."""
    cpus: tuple[int, ...]
    """The lane's."""
    source: FrameSource
    following: tuple[Lane, ...]
    """The first lanes; all of them get everything."""
    stream: StreamFigures
    leases: StreamLeases
    """Its stream's. A recording decodes no further while none is free; a camera's frame is dropped then."""
    lanes: tuple[Lane, ...] = ()
    """All that its frames may wait in front of; those of `following` at least."""
    easing: Easing = field(init=False)
    """What it does without while memory is tight."""
    figures: LaneFigures = field(init=False)
    advisory: bool = False
    """Whether it may run on other CPUs."""
    clock: Callable[[], float] = time.monotonic
    of_thread: Callable[[str, Callable[[], float]], LaneFigures] = LaneFigures
    """Makes what counts its work."""
    thread: PinnedThread = field(init=False)

    def __post_init__(self) -> None:
        """Make the thread, which stands still."""
        self.easing = Easing(name=self.name)
        self.figures = self.of_thread(self.name, self.clock)
        self.thread = PinnedThread(self.name, self.cpus, advisory=self.advisory, body=self.play)

    def play(self) -> None:
        """Hand on everything that the source gives, until it ends or the lanes are closed."""
        try:
            entries = self.source.entries(self.figures)
            while self.turn(entries):
                pass
        except (Exception, SystemExit) as error:  # a thread would end by the second without a word
            traceback.print_exc(file=sys.stderr)
            reason = error.message if isinstance(error, EdgekitError) else f"{type(error).__name__}: {error}"
            self._hand_on(StreamEnded(stream=self.stream.name, reason=reason, failed=True, cause=cause_of(error)))

    def turn(self, entries: Iterator[Entry]) -> bool:
        """Take the next entry from the source and hand it on; False at the end, or when the lanes are closed."""
        if not self.source.live and not self.leases.wait():
            return False
        if self.easing.shed and not self.source.live:
            time.sleep(_SHED_S)
            return True
        entry = next(entries, None)
        if entry is None:
            return False
        if not isinstance(entry, Frame):
            self.easing.note(entry)
        if not self.easing.active:
            return self._hand_on(entry)
        eased = self.easing.ease(entry, self.figures)
        del entry
        while eased:
            if not self._hand_on(eased.pop(0)):
                return False
        return True

    def leave(self, *, alone: bool) -> None:
        """Leave the source alone while memory is tight, or play it again. From any thread."""
        self.easing.leave(alone=alone)
        if isinstance(self.source, CanBeLeft):
            self.source.leave(alone=alone)

    def _hand_on(self, entry: Entry) -> bool:
        self.stream.note(entry)
        if isinstance(entry, Frame) and not self.leases.lend(entry, self.name):
            self.figures.drop(entry.stream, self.name, NO_LEASE)
            return True
        for lane in self.following:
            lane.queues.rouse()
            if not lane.queues.wait_for_room(entry.stream):
                if isinstance(entry, Frame):
                    self.figures.drop(entry.stream, self.name, CLOSING)
                    let_go(entry, self.name)
                return False
        if isinstance(entry, Frame):
            pass_on(entry, self.name, [lane.name for lane in self.following])
        for lane in self.following:
            lane.queues.put(entry)
        if isinstance(entry, StreamLost):
            self._let_all_go()
        return True

    def _let_all_go(self) -> None:
        """A lost camera's frames give their memory back before its decoder is made anew, or both exist together."""
        for lane in self.lanes or self.following:
            lane.queues.forget(self.stream.name, LOST)
        self.leases.wait_for_all(_LET_GO_S)
