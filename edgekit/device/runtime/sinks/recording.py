"""Makes clips of events, one step at a time, out of what rings hold. Nothing in here is any lane's thread."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from edgekit.device.runtime.figures import SinkFigures
from edgekit.device.runtime.sinks.clip_file import FAULTS, ClipFile, Opener, open_unbuffered
from edgekit.device.runtime.sinks.clip_folder import ClipFolder, free_bytes_of_disk
from edgekit.device.runtime.sinks.context import SinkContext
from edgekit.device.runtime.sinks.packet_ring import PacketRing, PacketRun
from edgekit.device.runtime.sources.packets import RAW_FORMATS
from edgekit.schema.result import ClipEvent, ClipNote, to_json
from edgekit.schema.sink import ClipSink
from edgekit.schema.units import format_bytes

LINGER_S = 1.0
"""A clip stays open for so long after its end: an event may come late, by what the stages took for it."""
_MOST_EVENTS = 1000
_EVENT_BYTES = 400
"""Of a note, for each event."""
_PACKETS = 16
"""Written at a time, clip after clip."""
_LOG_EVERY_S = 5.0
_OVERFLOW_TOLD_S = 60.0
_TIGHT = "memory is tight: no video is kept for clips"


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """An event, and when its frame was there."""

    stream: str
    event: ClipEvent
    captured_s: float
    """Monotonic."""


@dataclass(slots=True, kw_only=True, eq=False)
class Recording:
    """One clip on its way."""

    run: PacketRun
    next: int
    """Number of the packet to be written next."""
    moments: list[Moment]
    end_s: float
    """Monotonic time of the last picture that it shall have."""
    latest_s: float
    """And what that may become."""
    file: ClipFile | None = None
    short: str = ""


@dataclass(slots=True, kw_only=True)
class ClipDesk:
    """All clips of one sink that are being made. One thread turns it."""

    plan: ClipSink
    context: SinkContext
    figures: SinkFigures
    rings: Mapping[str, PacketRing]
    clock: Callable[[], float] = time.monotonic
    now: Callable[[], float] = time.time
    open_file: Opener = open_unbuffered
    free_bytes: Callable[[Path], int] = free_bytes_of_disk
    _folder: ClipFolder = field(init=False)
    _opened: bool = field(default=False, init=False)
    _open: list[Recording] = field(default_factory=list, init=False)
    _fault: str = field(default="", init=False)
    """Why the last clip could not be written."""
    _overflows: dict[str, tuple[int, float]] = field(default_factory=dict, init=False)
    """Of each stream's ring: how many there were, and when the last one was seen."""
    _told: str = field(default="", init=False)
    _told_s: float = field(default=float("-inf"), init=False)

    def __post_init__(self) -> None:
        """Touch nothing yet."""
        self._folder = ClipFolder(self.context.work / self.context.name, self.plan.quota, self.free_bytes)

    @property
    def busy(self) -> bool:
        """Whether a clip is being made."""
        return bool(self._open)

    def step(self, moments: list[Moment]) -> None:
        """Begin clips, or make some longer; write what there is; finish those that have all."""
        if not self._opened:
            try:
                self._folder.open()
                self._opened = True
                self._fault = ""
            except OSError as error:
                self._fault = _words(error)
        for moment in moments:
            self._begin(moment)
        for recording in list(self._open):
            self._advance(recording)
        self._tell()

    def finish_all(self) -> None:
        """The worker ends: what there is has to do."""
        for recording in list(self._open):
            recording.end_s = min(recording.end_s, self.clock())
            recording.short = "the worker was stopped" if recording.end_s < recording.latest_s else ""
            self._advance(recording, last=True)

    def _begin(self, moment: Moment) -> None:
        at_s, plan = moment.captured_s, self.plan
        for recording in reversed(self._open):
            same = recording.moments[0].stream == moment.stream
            if same and at_s <= recording.latest_s and at_s - plan.before_s <= recording.end_s:
                recording.end_s = max(recording.end_s, min(at_s + plan.after_s, recording.latest_s))
                if len(recording.moments) < _MOST_EVENTS:
                    recording.moments.append(moment)
                return
        ring = self.rings[moment.stream]
        if ring.paused:
            self._drop(_TIGHT)
            return
        started = ring.start(at_s, plan.before_s)
        if started is None:
            self._drop(f"stream {moment.stream} gives no packets that a clip could be made of")
            return
        run, number = started
        latest_s = at_s + plan.longest_s
        end_s = min(at_s + plan.after_s, latest_s)
        if end_s < ring.arrived_s(number) < math.inf:
            late_s = self.clock() - at_s
            self._drop(f"an event of stream {moment.stream} was known {late_s:.0f} s after its picture: it had gone")
            return
        self._open.append(Recording(run=run, next=number, moments=[moment], end_s=end_s, latest_s=latest_s))

    def _advance(self, recording: Recording, *, last: bool = False) -> None:
        try:
            ended = self._write(recording)
            if ended or last or self.clock() >= recording.end_s + LINGER_S:
                self._open.remove(recording)
                self._finish(recording)
        except FAULTS as error:
            if recording in self._open:
                self._open.remove(recording)
            if recording.file is not None:
                recording.file.discard()
            self._fail(error)

    def _write(self, recording: Recording) -> bool:
        """Write what the ring has of it, as long as it has some; True where nothing more will come."""
        ring = self.rings[recording.moments[0].stream]
        while True:
            part = ring.read(recording.run, recording.next, _PACKETS)
            wanted = [packet for packet in part.packets if packet.arrived_s <= recording.end_s]
            if wanted:
                file = recording.file or self._new_file(recording)
                more_bytes = sum(one.data.nbytes for one in wanted)
                if not self._folder.make_room(self._under_way_bytes() + more_bytes, more_bytes):
                    recording.short = f"the quota of {format_bytes(self.plan.quota)} is not enough for it"
                    return True
                file.add(wanted)
                recording.next += len(wanted)
            if len(wanted) < len(part.packets):
                return False  # it has all that it wants now
            if part.end and ring.paused:
                recording.short = _TIGHT
                return True
            if part.end == "lost":
                recording.short = "its packets came faster than the disk takes them"
                return True
            if part.end == "restarted":
                recording.short = "the stream began anew"
                return True
            if not part.packets:
                return False

    def _under_way_bytes(self) -> int:
        """What clips that are being written will take, if they end now."""
        notes = sum(_EVENT_BYTES * (len(recording.moments) + 2) for recording in self._open)
        return notes + sum(recording.file.bytes for recording in self._open if recording.file is not None)

    def _new_file(self, recording: Recording) -> ClipFile:
        moment = recording.moments[0]
        words = (moment.event.kind, moment.event.place)
        part = self._folder.part(moment.stream, moment.event.at_s, words, self.plan.format)
        recording.file = ClipFile(part, self.plan.format, recording.run.codec, self.open_file)
        return recording.file

    def _finish(self, recording: Recording) -> None:
        file, moment = recording.file, recording.moments[0]
        if file is None or file.empty:
            if file is not None:
                file.discard()
            self._drop(recording.short or f"stream {moment.stream} gave no key picture in time for a clip")
            return
        file.finish()
        events = tuple(replace(one.event, clip_s=round(file.place_s(one.captured_s), 3)) for one in recording.moments)
        note = ClipNote(
            file=file.path.with_suffix("").name,
            application=self.context.plan.application,
            version=self.context.plan.version,
            stream=moment.stream,
            at_s=moment.event.at_s,
            seconds=round(file.seconds, 3),
            codec=recording.run.codec,
            bytes=file.path.stat().st_size,
            events=events,
            short=recording.short,
        )
        self._folder.publish(file.path, to_json(note))
        self._folder.make_room(0)
        self.figures.sent += 1
        self._fault = ""

    def _drop(self, reason: str) -> None:
        self.figures.dropped += 1
        self._fault = reason

    def _fail(self, error: Exception) -> None:
        self._drop(_words(error))

    def _tell(self) -> None:
        """What is wrong: for the report at any time, for the journal where it changes."""
        reasons = [self._fault] if self._fault else []
        for stream, ring in self.rings.items():
            if ring.codec and ring.codec not in RAW_FORMATS:
                reasons.append(f"stream {stream} is {ring.codec}, of which no clips can be made")
            if self._overflows_now(stream, ring.overflows):
                there = format_bytes(self.plan.buffer)
                reasons.append(
                    f"stream {stream} sends more than the buffer of {there} from one key picture to the next"
                )
        self.figures.waiting = len(self._open)
        self.figures.trouble = "; ".join(reasons)
        self._log()

    def _overflows_now(self, stream: str, count: int) -> bool:
        """Whether it did so in the last minute."""
        before, at_s = self._overflows.get(stream, (0, float("-inf")))
        if count != before:
            self._overflows[stream] = count, self.clock()
            return True
        return self.clock() - at_s < _OVERFLOW_TOLD_S

    def _log(self) -> None:
        log = logging.getLogger(f"edgekit.sink.{self.context.name}")
        if self.figures.trouble != self._told and self.clock() - self._told_s >= _LOG_EVERY_S:
            self._told, self._told_s = self.figures.trouble, self.clock()
            if self._told:
                log.warning("%s", self._told)
            else:
                log.info("clips are written again: %d so far, %d could not be", self.figures.sent, self.figures.dropped)


def _words(error: Exception) -> str:
    return f"clips cannot be written: {getattr(error, 'strerror', None) or type(error).__name__}"
