"""The thread of one source: decodes, and puts what comes in line in front of the first lanes."""

from __future__ import annotations

import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field

from edgekit.device.runtime.figures import LaneFigures
from edgekit.device.runtime.frames.stream import Entry, StreamEnded
from edgekit.device.runtime.schedule.lanes import Lane
from edgekit.device.runtime.schedule.queues import CLOSING
from edgekit.device.runtime.schedule.threads import PinnedThread
from edgekit.device.runtime.sources.source import FrameSource
from edgekit.device.runtime.streams import StreamFigures
from edgekit.errors import EdgekitError
from edgekit.stage import Frame


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
    figures: LaneFigures = field(init=False)
    advisory: bool = False
    """Whether it may run on other CPUs."""
    clock: Callable[[], float] = time.monotonic
    thread: PinnedThread = field(init=False)

    def __post_init__(self) -> None:
        """Make the thread, which stands still."""
        self.figures = LaneFigures(self.name, self.clock)
        self.thread = PinnedThread(self.name, self.cpus, advisory=self.advisory, body=self.play)

    def play(self) -> None:
        """Hand on everything that the source gives, until it ends or the lanes are closed."""
        try:
            for entry in self.source.entries(self.figures):
                if not self._hand_on(entry):
                    return
                del entry  # else this frame keeps a picture alive while the next one is decoded
        except Exception as error:
            traceback.print_exc(file=sys.stderr)
            reason = error.message if isinstance(error, EdgekitError) else f"{type(error).__name__}: {error}"
            self._hand_on(StreamEnded(stream=self.stream.name, reason=reason, failed=True))

    def _hand_on(self, entry: Entry) -> bool:
        self.stream.note(entry)
        for lane in self.following:
            if not lane.queues.wait_for_room(entry.stream):
                if isinstance(entry, Frame):
                    self.figures.drop(entry.stream, self.name, CLOSING)
                return False
        for lane in self.following:
            lane.queues.put(entry)
        return True
