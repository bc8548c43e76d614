"""A lane: one pinned OS thread that takes items, does its steps on them in order, and hands them on."""

from __future__ import annotations

import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from edgekit.device.runtime.figures import LaneFigures
from edgekit.device.runtime.frames.item import EndOfPass, Item
from edgekit.device.runtime.schedule.pinning import name_thread, pin_thread
from edgekit.device.runtime.schedule.queues import LaneQueue
from edgekit.errors import EdgekitError, InputError
from edgekit.schema.plan import LanePlan

_LOG_EVERY_S = 10.0

Entries = Callable[[LaneFigures], Iterable[Item | EndOfPass]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What a lane does with an item."""

    name: str
    call: Callable[[Item], Item | None]
    end_of_pass: Callable[[EndOfPass], None]


@dataclass(slots=True, kw_only=True)
class Lane:
    """One lane; `start` makes its thread."""

    name: str
    plan: LanePlan
    advisory: bool
    steps: list[Step] = field(default_factory=list)
    source: Entries | None = None
    """Where the first lane's items come from; None: its queue."""
    following: LaneQueue | None = None
    """The next lane's queue; None for the last lane."""
    done: Callable[[Item], None] = lambda _item: None
    """Called by the last lane with each finished item."""
    queue: LaneQueue = field(init=False)
    figures: LaneFigures = field(init=False)
    failure: EdgekitError | None = None
    """Why the thread could not start its work."""
    note: str = ""
    """Why it is not pinned, where that is only advisory."""
    ended: threading.Event = field(default_factory=threading.Event)
    """Set when the last item of the last pass has gone through."""
    _thread: threading.Thread | None = None
    _logged_s: float = -_LOG_EVERY_S

    def __post_init__(self) -> None:
        """Make the queue and the figures."""
        self.queue = LaneQueue(self.plan.queue, self.plan.drop)
        self.figures = LaneFigures(self.name, time.monotonic)

    def start(self) -> None:
        """Start the thread and wait until it is pinned.

        Raises:
            InputError: it may not run on its CPUs.
        """
        ready = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(ready,), name=self.name, daemon=True)
        self._thread.start()
        ready.wait()
        if self.failure is not None:
            raise self.failure

    def join(self, timeout_s: float) -> bool:
        """Wait for the thread's end; False when it is still in a step."""
        if self._thread is not None:
            self._thread.join(timeout_s)
        return self._thread is None or not self._thread.is_alive()

    def dropped(self) -> dict[str, int]:
        """Items dropped so far, by cause."""
        return {**self.queue.drops, **self.figures.dropped}

    def _run(self, ready: threading.Event) -> None:
        self.figures.tid = threading.get_native_id()
        try:
            self.note = pin_thread(self.name, self.plan.cpus, advisory=self.advisory)
            name_thread(self.name, self.figures.tid, Path("/proc"))
        except InputError as error:
            self.failure = error
            return
        finally:
            ready.set()
        try:
            self._work()
        except Exception as error:  # the source: an item's own errors end with the item
            traceback.print_exc(file=sys.stderr)
            self.failure = EdgekitError(f"lane {self.name} ended: {error}", hint="see the log")

    def _work(self) -> None:
        entries = self.source(self.figures) if self.source else self.queue.take()
        for entry in entries:
            if isinstance(entry, EndOfPass):
                for step in self.steps:
                    step.end_of_pass(entry)
                self._hand_on(entry)
                if entry.last:
                    self.ended.set()
                    return
            elif (item := self._through(entry)) is not None:
                self._hand_on(item)
                del item
            del entry

    def _through(self, item: Item) -> Item | None:
        """All steps; an error or a None ends this item and nothing else."""
        left: Item | None = item
        for step in self.steps:
            self.figures.begin(step.name)
            try:
                left = step.call(left) if left is not None else None
            except SystemExit as error:  # a thread would end by it without a word
                told = f"stage {step.name} called sys.exit({error.code!r})"
                raise EdgekitError(told, hint="let the stage raise an error, or return None to drop a frame") from None
            except Exception as error:
                self.figures.drop("error", step.name)
                self._log(step.name, error)
                return None
            finally:
                self.figures.end()
            if left is None:
                self.figures.drop("stage", step.name)
                return None
        return left

    def _hand_on(self, entry: Item | EndOfPass) -> None:
        if self.following is not None:
            self.following.put(entry)
        elif isinstance(entry, Item):
            self.done(entry)

    def _log(self, step: str, error: Exception) -> None:
        if time.monotonic() - self._logged_s >= _LOG_EVERY_S:
            self._logged_s = time.monotonic()
            words = "".join(traceback.format_exception(error))
            sys.stderr.write(f"lane {self.name}: stage {step} failed on a frame, which is dropped:\n{words}")
