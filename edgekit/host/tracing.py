"""A worker's record as a trace that people look at: Chrome's trace format, which Perfetto opens.

Processes of the trace are kinds of things: lanes, slots of engines, streams, schedulers; threads are the things
themselves. Source: Trace Event Format (Google, 2016), sections "Complete", "Flow", "Async", "Instant", "Counter" and
"Metadata Events", and "JSON Object Format".
"""

from __future__ import annotations

import base64
import binascii
import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from edgekit.errors import InputError
from edgekit.schema.trace import MAX_RECORD_BYTES, TraceKind, TraceRecord

_LANES, _SLOTS, _STREAMS, _SCHEDULERS = 1, 2, 3, 4
_KEY = "record"
_MAX_TRACE_BYTES = 256 << 20
_HINT = "give it a file that `edgekit trace DEVICE` wrote"
_LEAST_US = 1.0
"""As long as what takes no time is drawn: a flow needs something to begin at."""

Event = dict[str, Any]
Entry = tuple[TraceKind, tuple[float, ...]]


class _Place(NamedTuple):
    """Where in a trace something is drawn."""

    pid: int
    tid: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamSummary:
    """What became of one stream's frames in front of one lane."""

    lane: str
    stream: str
    came: int
    worked: int
    dropped: dict[str, int]
    """By cause."""
    waited_p50_ms: float
    waited_p99_ms: float
    worked_p50_ms: float
    worked_p99_ms: float


@dataclass(slots=True, kw_only=True)
class _Frames:
    """Of one stream in front of one lane."""

    came_s: dict[int, float] = field(default_factory=dict)
    waited_s: list[float] = field(default_factory=list)
    worked_s: list[float] = field(default_factory=list)
    dropped: Counter[str] = field(default_factory=Counter)
    came: int = 0


def summarise(record: TraceRecord) -> tuple[StreamSummary, ...]:
    """Each stream's frames in front of each lane, in the order in which lanes are passed. Raises InputError."""
    found: dict[tuple[str, str], _Frames] = defaultdict(_Frames)
    for kind, numbers in record.entries():
        match kind, numbers:
            case TraceKind.CAME, (at_s, lane, stream, sequence, _):
                one = found[record.name(lane), record.name(stream)]
                one.came += 1
                one.came_s[int(sequence)] = at_s
            case TraceKind.WORKED, (began_s, took_s, lane, _, stream, sequence):
                one = found[record.name(lane), record.name(stream)]
                one.worked_s.append(took_s)
                if (came_s := one.came_s.pop(int(sequence), None)) is not None:
                    one.waited_s.append(began_s - came_s)
            case TraceKind.DROPPED, (_, lane, stream, _, cause):
                found[record.name(lane), record.name(stream)].dropped[record.name(cause)] += 1
    order = [lane.name for lane in record.header.lanes]
    ranked = sorted(found, key=lambda key: (order.index(key[0]) if key[0] in order else len(order), key))
    return tuple(_summary(*key, found[key]) for key in ranked)


def _summary(lane: str, stream: str, frames: _Frames) -> StreamSummary:
    return StreamSummary(
        lane=lane,
        stream=stream,
        came=frames.came,
        worked=len(frames.worked_s),
        dropped=dict(sorted(frames.dropped.items())),
        waited_p50_ms=_quantile_ms(frames.waited_s, 50),
        waited_p99_ms=_quantile_ms(frames.waited_s, 99),
        worked_p50_ms=_quantile_ms(frames.worked_s, 50),
        worked_p99_ms=_quantile_ms(frames.worked_s, 99),
    )


def _quantile_ms(seconds: list[float], percent: int) -> float:
    return round(sorted(seconds)[len(seconds) * percent // 100] * 1e3, 3) if seconds else 0.0


def to_chrome(record: TraceRecord, raw: bytes, device: str) -> bytes:
    """A trace for Perfetto, with the record in it, to be replayed.

    Args:
        record: what was recorded.
        raw: the same as it came.
        device: where; for people.

    Raises:
        InputError: the record is damaged.
    """
    drawing = _Drawing(record)
    events = sorted(drawing.events(), key=lambda event: event["ts"])  # flows have to come in their order
    _end_flows(events)
    header = record.header
    trace = {
        "traceEvents": [*drawing.metadata(device), *events],
        "displayTimeUnit": "ms",
        "otherData": {
            "application": header.application,
            "device": device,
            "began_wall_s": header.began_wall_s,
            "seconds": header.seconds,
            _KEY: base64.b64encode(raw).decode(),
        },
    }
    try:
        return json.dumps(trace, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()
    except ValueError:  # also of the half of a surrogate pair in a name
        raise InputError(
            "the record has times or names that no trace can hold", hint="record it again: edgekit trace DEVICE"
        ) from None


def _end_flows(events: list[Event]) -> None:
    """The last step of each flow is its end."""
    ended = set[int]()
    for event in reversed(events):
        if event["ph"] in "st" and event["id"] not in ended:
            ended.add(event["id"])
            if event["ph"] == "t":
                event |= {"ph": "f", "bp": "e"}


def record_in(content: bytes) -> bytes:
    """The record that lies in a trace that `to_chrome` made.

    Raises:
        InputError: there is none.
    """
    try:
        if len(content) > _MAX_TRACE_BYTES:
            raise ValueError
        raw = base64.b64decode(json.loads(content)["otherData"][_KEY], validate=True)
    except (ValueError, KeyError, TypeError, RecursionError, binascii.Error):
        raise InputError("there is no record in this file", hint=_HINT) from None
    if len(raw) > MAX_RECORD_BYTES:
        raise InputError("the record in this file is larger than any worker's", hint=_HINT)
    return raw


class _Drawing:
    """Events of one record."""

    def __init__(self, record: TraceRecord) -> None:
        self._record = record
        self._threads = {name: tid or -number for number, (name, tid) in enumerate(record.header.threads.items(), 1)}
        self._places: dict[int, dict[str, int]] = defaultdict(dict)
        """Numbers of what has none of its own, by process."""
        self._waiting: dict[str, Counter[str]] = defaultdict(Counter)
        """Frames in front of each lane, by stream: those that came while it was recorded."""
        self._came_s: dict[tuple[str, str, int], float] = {}
        self._flows: dict[tuple[str, int], int] = {}
        """Of each frame that is drawn: how many steps of its flow there are."""

    def events(self) -> Iterator[Event]:
        """All that happened, in the record's order."""
        name, entries = self._record.name, self._record.entries()
        for kind, numbers in entries:
            match kind, numbers:
                case TraceKind.CAME, (at_s, lane, stream, sequence, captured_s):
                    yield from self._came(at_s, name(lane), (name(stream), int(sequence)), captured_s)
                case TraceKind.WORKED, (began_s, took_s, lane, thread, stream, sequence):
                    yield from self._worked(name(lane), name(thread), (name(stream), int(sequence)), began_s, took_s)
                case TraceKind.STEP, (began_s, took_s, thread, step):
                    yield self._slice(self._thread(name(thread)), name(step), "step", began_s, took_s)
                case TraceKind.SLOT, (began_s, took_s, waited_s, engine, slot):
                    place = self._place(_SLOTS, f"{name(engine)}, slot {int(slot)}")
                    used = self._slice(place, name(engine), "slot", began_s, took_s)
                    yield used | {"args": {"waited_ms": _ms(waited_s)}}
                case TraceKind.DROPPED, (at_s, lane, stream, sequence, cause):
                    yield from self._dropped(at_s, name(lane), (name(stream), int(sequence)), name(cause))
                case TraceKind.DECIDED, _:
                    yield self._decided(numbers, entries)

    def metadata(self, device: str) -> Iterator[Event]:
        """Names of all that was drawn; after `events`."""
        header = self._record.header
        titles = {
            _LANES: f"lanes of {header.application} on {device} (process {header.pid})",
            _SLOTS: "slots of engines",
            _STREAMS: "streams",
            _SCHEDULERS: "schedulers",
        }
        for pid, title in titles.items():
            yield _name("process_name", pid, 0, name=title)
            yield _name("process_sort_index", pid, 0, sort_index=pid)
        places = {_LANES: self._threads, **self._places}
        for pid, named in places.items():
            for order, (name, tid) in enumerate(named.items()):
                yield _name("thread_name", pid, tid, name=name)
                yield _name("thread_sort_index", pid, tid, sort_index=order)

    def _came(self, at_s: float, lane: str, frame: tuple[str, int], captured_s: float) -> Iterator[Event]:
        stream, sequence = frame
        self._came_s[lane, stream, sequence] = at_s
        self._waiting[lane][stream] += 1
        yield self._depth(at_s, lane)
        yield self._wait("b", at_s, lane, frame)
        if frame not in self._flows:
            place = self._place(_STREAMS, stream)
            arrived = self._event("X", place, f"{stream} {sequence}", "frame", at_s)
            yield arrived | {"dur": _LEAST_US, "args": {"since_capture_ms": _ms(at_s - captured_s)}}
            yield self._flow(place, at_s, frame)

    def _worked(self, lane: str, thread: str, frame: tuple[str, int], began_s: float, took_s: float) -> Iterator[Event]:
        stream, sequence = frame
        place, arguments = self._thread(thread), {"stream": stream, "sequence": sequence, "lane": lane}
        came_s = self._came_s.pop((lane, stream, sequence), None)
        if came_s is not None:
            arguments["waited_ms"] = _ms(began_s - came_s)
            yield from self._leave(began_s, lane, frame)
        yield self._slice(place, f"{stream} {sequence}", "frame", began_s, took_s) | {"args": arguments}
        yield self._flow(place, began_s, frame)

    def _dropped(self, at_s: float, lane: str, frame: tuple[str, int], cause: str) -> Iterator[Event]:
        stream, sequence = frame
        if self._came_s.pop((lane, stream, sequence), None) is not None:
            yield from self._leave(at_s, lane, frame)
        arguments = {"lane": lane, "sequence": sequence, "cause": cause}
        event = self._event("i", self._place(_STREAMS, stream), f"dropped: {cause}", "drop", at_s)
        yield event | {"s": "t", "args": arguments}

    def _leave(self, at_s: float, lane: str, frame: tuple[str, int]) -> Iterator[Event]:
        self._waiting[lane][frame[0]] -= 1
        yield self._depth(at_s, lane)
        yield self._wait("e", at_s, lane, frame)

    def _decided(self, decided: tuple[float, ...], entries: Iterator[Entry]) -> Event:
        at_s, lane, asking, following = decided
        waits = {}
        for _ in range(int(asking)):
            numbers = _next(entries, TraceKind.ASKING)
            waits[self._record.name(numbers[0])] = _ms(at_s - numbers[4])
        for _ in range(int(following)):
            _next(entries, TraceKind.FOLLOWING)
        stream, cause = (self._record.name(place) for place in _next(entries, TraceKind.CHOSEN))
        what = f"drop {stream}: {cause}" if cause else f"start {stream}" if stream else "nothing"
        event = self._event("i", self._place(_SCHEDULERS, self._record.name(lane)), what, "decision", at_s)
        return event | {"s": "t", "args": {"waits_ms": waits}}

    def _flow(self, place: _Place, at_s: float, frame: tuple[str, int]) -> Event:
        """From where a frame came to where it is worked on, lane after lane. Its first one begins it."""
        first = frame not in self._flows
        number = self._flows.setdefault(frame, len(self._flows) + 1)
        return self._event("s" if first else "t", place, "frame", "flow", at_s) | {"id": number}

    def _wait(self, phase: str, at_s: float, lane: str, frame: tuple[str, int]) -> Event:
        event = self._event(phase, _Place(_STREAMS, 0), f"wait for {lane}", "wait", at_s)
        return event | {"id": f"{lane}/{frame[0]}/{frame[1]}"}

    def _depth(self, at_s: float, lane: str) -> Event:
        event = self._event("C", _Place(_STREAMS, 0), f"waiting for {lane}", "queue", at_s)
        return event | {"args": {stream: max(0, count) for stream, count in self._waiting[lane].items()}}

    def _slice(self, place: _Place, name: str, category: str, began_s: float, took_s: float) -> Event:
        """Its end is rounded as beginnings are: what lies in another slice must not reach out of it."""
        event = self._event("X", place, name, category, began_s)
        return event | {"dur": max(0.0, round(self._us(began_s + took_s) - event["ts"], 3))}

    def _event(self, phase: str, place: _Place, name: str, category: str, at_s: float) -> Event:
        return {"ph": phase, "pid": place.pid, "tid": place.tid, "ts": self._us(at_s), "name": name, "cat": category}

    def _us(self, at_s: float) -> float:
        return round((at_s - self._record.header.began_s) * 1e6, 3)

    def _thread(self, name: str) -> _Place:
        return _Place(_LANES, self._threads.setdefault(name, -1 - len(self._threads)))

    def _place(self, pid: int, name: str) -> _Place:
        return _Place(pid, self._places[pid].setdefault(name, len(self._places[pid]) + 1))


def _name(what: str, pid: int, tid: int, **arguments: object) -> Event:
    return {"ph": "M", "pid": pid, "tid": tid, "ts": 0, "name": what, "args": arguments}


def _next(entries: Iterator[Entry], wanted: TraceKind) -> tuple[float, ...]:
    kind, numbers = next(entries, (None, ()))
    if kind is not wanted:
        raise InputError("a decision in the record is not whole", hint=_HINT)
    return numbers


def _ms(seconds: float) -> float:
    return round(seconds * 1e3, 3)
