"""The board's memory of what went wrong. Whoever finds something hands it over and goes on; a thread writes it down.

The disk may be full, read-only or hang: then the record is kept in /run until the power goes, or is lost. Neither the
keeper's loop nor a client ever waits for it.
"""

from __future__ import annotations

import re
import threading
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import replace

from edgekit.device.keeper.filesystem import Filesystem
from edgekit.device.keeper.incidents.board_watch import ClockWatch
from edgekit.device.keeper.incidents.evidence import Evidence
from edgekit.device.keeper.incidents.incident_file import IncidentFile
from edgekit.device.keeper.layout import Layout
from edgekit.device.keeper.process.journal import Journal
from edgekit.schema.incident import (
    CRASH_LOOP_ENDS,
    MAX_LINE,
    MAX_LINES,
    MAX_PROBES,
    MAX_STREAMS,
    MAX_TEXT,
    MAX_TOLD,
    Incident,
)
from edgekit.schema.names import is_application_name
from edgekit.schema.plain_text import plain_text

_MAX_WAITING = 64
_WRITES, _WINDOW_S = 30, 600.0
"""So many lines of one file in so many seconds, and no more: who brings refused releases over and over wears no disk
out."""
_DIGITS = re.compile(r"\d+")
_CLOSE_S = 2.0
BOARD = ""
"""Stands for the board itself, where applications have their names."""


class IncidentRecorder:
    """Any thread may use it. `run` is its own thread's."""

    def __init__(
        self,
        layout: Layout,
        disk: Filesystem,
        journal: Journal,
        clock: Callable[[], float],
        watch: ClockWatch,
    ) -> None:
        """Read and write nothing yet.

        Args:
            layout: where the files go.
            disk: the way there.
            journal: where it is told that nothing can be written.
            clock: monotonic seconds.
            watch: of the board's wall clock.
        """
        self._layout, self._disk, self._clock, self._watch = layout, disk, clock, watch
        self._log, self._evidence = journal.write, Evidence(layout, disk)
        self._guard = threading.Condition()
        self._waiting: deque[Incident] = deque(maxlen=_MAX_WAITING)
        self._gone: list[str] = []
        self._files: dict[str, tuple[IncidentFile, IncidentFile]] = {}
        """By application: on disk, and in /run."""
        self._last: dict[str, Incident] = {}
        """The newest of each, written or not."""
        self._written: dict[str, deque[float]] = {}
        self._number = 0
        self._read = False
        self._trouble = ""
        self._closed = False
        self._first: Callable[[], Incident | None] = lambda: None
        self._finally: Callable[[], None] = lambda: None
        self._thread: threading.Thread | None = None

    def start(self, first: Callable[[], Incident | None], last: Callable[[], None]) -> None:
        """Write from now on. Where no thread can be had, `why` tells what is in memory.

        Args:
            first: called on the recorder's thread before all else; what it gives is recorded.
            last: called there at the very end, once all is written.
        """
        self._first, self._finally = first, last
        thread = threading.Thread(target=self._run, name="recorder", daemon=True)
        try:
            thread.start()
        except RuntimeError as error:
            self._log(f"keeper: what goes wrong is not recorded: {error}")
            return
        self._thread = thread

    def close(self) -> None:
        """Write what waits, if that can be done soon."""
        with self._guard:
            self._closed = True
            self._guard.notify_all()
        if self._thread:
            self._thread.join(_CLOSE_S)

    def record(self, incident: Incident) -> None:
        """Remember an incident. Never waits, and raises nothing. That the clock has jumped comes before it."""
        with self._guard:
            self._look_at_clock()
            self._waiting.append(_bounded(replace(incident, at_s=incident.at_s or self._watch.now_s())))
            self._guard.notify_all()

    def look(self) -> None:
        """Now and then: see whether the clock has jumped. Never waits, and raises nothing."""
        with self._guard:
            self._look_at_clock()

    def _look_at_clock(self) -> None:
        if jump := self._watch.look():
            self._waiting.append(jump)
            self._guard.notify_all()
            self._log(f"keeper: {jump.reason} by {jump.figures['step_s']:.0f} s")

    def forget(self, application: str) -> None:
        """An application is no more."""
        with self._guard:
            self._waiting = deque((one for one in self._waiting if one.application != application), _MAX_WAITING)
            self._gone.append(application)
            self._guard.notify_all()

    def told(self, application: str) -> tuple[Incident, ...]:
        """What went wrong with an application and with the board, or with any application: the newest last."""
        each = MAX_TOLD if application else 4
        read = [one for name in self._names(application) for one in self._told(name, each)]
        found = [one for one in read if not application or one.application in (BOARD, application)]
        found.sort(key=lambda one: one.number)
        with self._guard:
            waiting = [one for one in self._waiting if application in (BOARD, one.application) or not one.application]
        numbered = [replace(one, number=self._number + place) for place, one in enumerate(waiting, 1)]
        return tuple([*found, *numbered][-MAX_TOLD:])

    def flush(self) -> None:
        """Write all that waits. The recorder's own thread calls it, and tests do."""
        self._begin()
        while True:
            with self._guard:
                gone, self._gone = self._gone, []
                incident = self._waiting.popleft() if self._waiting else None
            for name in gone:
                self._remove(name)
            if incident is None:
                return
            self._take(incident)

    def _run(self) -> None:
        while True:
            with self._guard:
                self._guard.wait_for(lambda: self._closed or self._waiting or self._gone or not self._read)
                closed = self._closed
            try:
                self.flush()
            except Exception as error:  # nothing that goes wrong here may go unsaid, or end this thread
                self._log(f"keeper: what went wrong could not be recorded: {error!r}")
            if closed:
                self._finally()
                return

    def _begin(self) -> None:
        """Once: number on from what an earlier keeper wrote."""
        if not self._read:
            self._read = True
            newest = [one.number for name in self._names(BOARD) for one in self._told(name, 1)]
            self._number = max(newest, default=0)
            if (found := self._first()) is not None:
                self._take(_bounded(found))

    def _take(self, incident: Incident) -> None:
        name = self._place(incident)
        incident = self._evidence.gathered(incident)
        before = self._last.get(name) or next(iter(self._told(name, 1)), None)
        if before and _alike(before, incident):
            incident = replace(incident, number=before.number, count=before.count + 1)
        else:
            self._number += 1
            incident = replace(incident, number=self._number)
        with self._guard:
            self._last[name] = incident
        power_of_two = incident.count & (incident.count - 1) == 0
        tells_more = incident.figures.get("quick_ends") == CRASH_LOOP_ENDS  # from now on it has another cause
        if (power_of_two or tells_more) and self._may_write(name):
            self._write(name, incident)

    def _place(self, incident: Incident) -> str:
        """Whose file: the board's for what is no application here, so that names that clients invent make no files."""
        known = incident.application and self._layout.application(incident.application).is_dir()
        return incident.application if known else BOARD

    def _may_write(self, name: str) -> bool:
        now_s = self._clock()
        written = self._written.setdefault(name, deque(maxlen=_WRITES))
        if len(written) == _WRITES and now_s - written[0] < _WINDOW_S:
            return False
        written.append(now_s)
        return True

    def _write(self, name: str, incident: Incident) -> None:
        trouble = ""
        for file in self._pair(name):
            try:
                file.append(incident)
            except OSError as error:
                trouble = trouble or f"{error.strerror or error}"
            else:
                break
        if trouble and trouble != self._trouble:
            self._log(
                f"keeper: what went wrong cannot be recorded on disk, and is kept until the power goes: {trouble}"
            )
        self._trouble = trouble

    def _told(self, name: str, count: int) -> list[Incident]:
        found = {one.number: one for file in self._pair(name) for one in file.last(count)}
        with self._guard:
            last = self._last.get(name)
        if last:
            found[last.number] = last
        return [found[number] for number in sorted(found)][-count:]

    def _names(self, application: str) -> Iterable[str]:
        """Whose files hold what is to be told about an application; all for the board."""
        if application:
            return (application, BOARD)
        with self._guard:
            known = set(self._last)
        for folder in (self._layout.incidents_dir, self._layout.run_incidents_dir):
            try:
                known |= {name.removesuffix(_SUFFIX) for name in self._disk.names(folder) if name.endswith(_SUFFIX)}
            except OSError:
                continue
        return (*sorted(name for name in known if is_application_name(name)), BOARD)

    def _pair(self, name: str) -> tuple[IncidentFile, IncidentFile]:
        with self._guard:
            if name not in self._files:
                file = f"{name or _BOARD_FILE}{_SUFFIX}"
                folders = (self._layout.incidents_dir, self._layout.run_incidents_dir)
                on_disk, in_run = (IncidentFile(folder / file, self._disk) for folder in folders)
                self._files[name] = on_disk, in_run
            return self._files[name]

    def _remove(self, name: str) -> None:
        with self._guard:
            files = self._files.pop(name, ())
            self._last.pop(name, None)
            self._written.pop(name, None)
        for file in files or self._pair(name):
            try:
                file.remove()
            except OSError as error:
                self._log(f"keeper: the record of {name} cannot be removed: {error.strerror}")
        with self._guard:
            self._files.pop(name, None)


_SUFFIX = ".jsonl"
_BOARD_FILE = "_board"
_REPEATS = frozenset({"restarted", "refused", "not_started", "rolled_back"})
"""What may come over and over; each jump of a clock counts for itself."""


def _alike(one: Incident, other: Incident) -> bool:
    """Whether the same went wrong again: only figures differ."""
    return one.kind in _REPEATS and _kind(one) == _kind(other)


def _kind(one: Incident) -> tuple[str, ...]:
    return one.kind, one.application, one.digest, one.version, one.cause, _DIGITS.sub("", one.reason)


def _bounded(one: Incident) -> Incident:
    """With texts that no worker or client can make long, and that nothing on a terminal obeys."""
    streams = tuple(
        replace(stream, name=_cut(stream.name), message=_cut(stream.message)) for stream in one.streams[:MAX_STREAMS]
    )
    return replace(
        one,
        reason=_cut(one.reason, MAX_TEXT),
        hint=_cut(one.hint, MAX_TEXT),
        version=_cut(one.version),
        probes=tuple(_cut(probe) for probe in one.probes[:MAX_PROBES]),
        log=tuple(_cut(line) for line in one.log[-MAX_LINES:]),
        streams=streams,
    )


def _cut(text: str, most: int = MAX_LINE) -> str:
    text = plain_text(text)
    return text if len(text) <= most else f"{text[:most]} ..."
