"""What a worker records of its scheduler for some seconds: a header, and numbers that are read with it.

A record is one line of JSON, `TraceHeader`, and after it zlib's stream of little-endian float64 numbers: one
`TraceKind` after the other, each with as many numbers as `WIDTHS` says. Names stand in the header's table, and places
in it stand for them. Times are seconds of the board's monotonic clock, exactly as the scheduler had them: a record
replays to the same decisions bit by bit.
"""

from __future__ import annotations

import zlib
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import IntEnum
from math import isfinite
from sys import byteorder
from typing import Annotated, Literal

from edgekit.errors import InputError
from edgekit.schema.bounds import Between, Length
from edgekit.schema.message import Message, NewerWord, from_message, to_line

LONGEST_S = 300.0
MAX_NUMBERS_BYTES = 8 << 20
"""Of one record, before it is packed: about 20 s of eight cameras on four lanes. What comes after is left out."""
MAX_HEADER_BYTES = 4 << 20
MAX_RECORD_BYTES = MAX_NUMBERS_BYTES + MAX_HEADER_BYTES
TRACE_FILE = "trace.record"
"""Its name in the worker's folder."""
_NUMBER_BYTES = 8
_HINT = "record it again: edgekit trace DEVICE"

_Count = Annotated[int, Between(0, (1 << 63) - 1)]
_Time = Annotated[float, Between(-1e18, 1e18)]
_Name = Annotated[str, Length(0, 300)]


class TraceKind(IntEnum):
    """What some numbers of a record say."""

    CAME = 1
    """at, lane, stream, sequence, captured: a frame stands in line."""
    WORKED = 2
    """began, took, lane, thread, stream, sequence: a lane's thread has done its steps on a frame."""
    STEP = 3
    """began, took, thread, step: it was inside a stage or sink, or a source's thread at its decoder."""
    SLOT = 4
    """began, took, waited, engine, slot: an inference had a place to compute on, after waiting for one."""
    DROPPED = 5
    """at, lane, stream, sequence, cause: a frame ended in line."""
    BEGAN = 6
    """at, lane, stream, places: a stream is served that waits alone. A decision that starts something has none."""
    ENDED = 7
    """at, lane, stream, places, took: those places are free again."""
    MOVED = 8
    """lane, places: so many more are free, or fewer: an event has come through, or is under way."""
    DECIDED = 9
    """at, lane, asking, following: a decision; so many `ASKING` and `FOLLOWING` come next, and then one `CHOSEN`."""
    ASKING = 10
    """stream, arrival, captured, newest, since, places: see `scheduler.Asking`."""
    FOLLOWING = 11
    """stream, seconds: what the scheduler was told that follows behind this lane."""
    CHOSEN = 12
    """stream, cause: what it decided; no stream (-1): nothing. No cause (-1): it is started, else dropped."""


WIDTHS = {
    TraceKind.CAME: 5,
    TraceKind.WORKED: 6,
    TraceKind.STEP: 4,
    TraceKind.SLOT: 5,
    TraceKind.DROPPED: 5,
    TraceKind.BEGAN: 4,
    TraceKind.ENDED: 5,
    TraceKind.MOVED: 2,
    TraceKind.DECIDED: 4,
    TraceKind.ASKING: 6,
    TraceKind.FOLLOWING: 2,
    TraceKind.CHOSEN: 2,
}
"""Numbers after each kind's own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TracedStream:
    """What a lane's scheduler knew of a stream when the record began. None: nothing, or no limit."""

    name: _Name
    ruled: bool = True
    """Whether the recipe says something of it."""
    priority: Annotated[int, Between(-(1 << 53), 1 << 53)] = 0
    weight: Annotated[float, Between(above=0, maximum=1e18)] = 1.0
    deadline_s: _Time | None = None
    max_wait_s: _Time | None = None
    patience: Annotated[float, Between(0, 1e6)] = 0.0
    costs_s: Annotated[tuple[_Time, ...], Length(0, 4096)] = ()
    """The last ones, the newest last."""
    cost_at_s: _Time | None = None
    """When the last of them was taken."""
    cost_bound_s: _Time = 0.0
    costs_total: _Count = 0
    served_s: _Time | None = None
    came_s: _Time | None = None
    share_s: _Time | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TracedLane:
    """A lane, and its scheduler when the record began."""

    name: _Name
    places: Annotated[int, Between(1, 1024)]
    free: Annotated[int, Between(-1024, 1024)]
    streams: Annotated[tuple[TracedStream, ...], Length(0, 4096)] = ()
    levels_s: dict[str, _Time] = field(default_factory=dict)
    """By priority."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceHeader(Message):
    """What a record's numbers mean."""

    application: _Name
    began_s: _Time
    """The monotonic clock at the beginning."""
    began_wall_s: _Time
    """The same, in seconds since 1970."""
    seconds: Annotated[float, Between(0, 2 * LONGEST_S)]
    """How long it was."""
    pid: _Count = 0
    full: bool = False
    """Whether it ended early, as there was no more room."""
    names: Annotated[tuple[_Name, ...], Length(0, 100_000)] = ()
    lanes: Annotated[tuple[TracedLane, ...], Length(0, 1024)] = ()
    threads: dict[str, _Count] = field(default_factory=dict)
    """Kernel thread ids of sources' and lanes' threads, in the order in which frames pass them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceQuestion:
    """Record for so long, from now on."""

    number: _Count
    """Stands in the answer."""
    seconds: Annotated[float, Between(0.1, LONGEST_S)]


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceReport:
    """How a worker does with a record that it was asked for."""

    number: _Count
    """The question's."""
    state: Literal["recording", "written", "failed"] | NewerWord
    message: str = ""
    """Why it failed."""
    bytes: _Count = 0
    """Of the file, once it is written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TracePiece(Message):
    """Some of a record, from the keeper."""

    offset: _Count
    data: str
    """Base64."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayDifference:
    """A decision that came out otherwise."""

    lane: _Name
    at_s: _Time
    recorded: str
    found: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayReply(Message):
    """What came of deciding anew."""

    decisions: _Count
    differences: tuple[ReplayDifference, ...] = ()
    """The first ones."""
    failure: str = ""
    """Why it could not be done."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceRecord:
    """A record, read."""

    header: TraceHeader
    numbers: array[float]

    def entries(self) -> Iterator[tuple[TraceKind, tuple[float, ...]]]:
        """What stands in it, in its order.

        Raises:
            InputError: it is damaged.
        """
        numbers, at = self.numbers, 0
        while at < len(numbers):
            try:
                kind = TraceKind(int(numbers[at]))
            except (ValueError, OverflowError):
                raise InputError(f"the record has no kind {numbers[at]!r}", hint=_HINT) from None
            end = at + 1 + WIDTHS[kind]
            if end > len(numbers):
                raise InputError("the record ends in the middle of an entry", hint=_HINT)
            yield kind, tuple(numbers[at + 1 : end])
            at = end

    def name(self, place: float) -> str:
        """What a place in the table of names stands for; empty for -1. Raises InputError where it has none."""
        if place == -1:
            return ""
        if not (0 <= place < len(self.header.names) and place == int(place)):
            raise InputError(f"the record has no name {place!r}", hint=_HINT)
        return self.header.names[int(place)]


def pack_record(header: TraceHeader, numbers: bytes | bytearray) -> bytes:
    """A record as a file; `numbers` are little-endian float64."""
    return to_line(header) + zlib.compress(numbers, 6)


def unpack_record(content: bytes) -> TraceRecord:
    """Read a record of whoever wrote it.

    Raises:
        InputError: it is none, or larger than any worker writes.
    """
    line, newline, packed = content.partition(b"\n")
    if not newline or len(line) > MAX_HEADER_BYTES:
        raise InputError("this is no record of a worker", hint=_HINT)
    header = from_message(TraceHeader, line, "trace")
    unpacking = zlib.decompressobj()
    try:
        plain = unpacking.decompress(packed, MAX_NUMBERS_BYTES)
    except zlib.error:
        plain = b""
    if not unpacking.eof or unpacking.unused_data or len(plain) % _NUMBER_BYTES:
        raise InputError("the record is damaged, or larger than a worker writes", hint=_HINT)
    numbers = array("d")
    numbers.frombytes(plain)
    if byteorder == "big":
        numbers.byteswap()
    if not all(map(isfinite, numbers)):
        raise InputError("the record has numbers that are none", hint=_HINT)
    return TraceRecord(header=header, numbers=numbers)
