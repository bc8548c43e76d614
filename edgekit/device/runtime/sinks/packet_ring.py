"""The last seconds of one stream as encoded packets, within a bound of bytes."""

from __future__ import annotations

import math
import threading
from collections import deque
from dataclasses import dataclass
from typing import Literal

from edgekit.device.runtime.sources.packets import EncodedPacket

_OVERHEAD_BYTES = 300
"""What a packet takes beyond its data."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PacketRun:
    """Packets that a decoder can take one after the other: of one connection, of one pass of a recording."""

    number: int
    codec: str
    begin: int
    """Number of its first packet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RingPart:
    """Some packets that follow each other."""

    packets: tuple[EncodedPacket, ...] = ()
    end: Literal["", "lost", "restarted"] = ""
    """Why none of this run follows them. `lost`: the ring had to let go of what follows; `restarted`: another run
    has begun."""


class PacketRing:
    """Packets of one stream, numbered from 0. One thread puts them in, any thread reads.

    Each run begins with a key picture, and packets go by whole groups: from one key picture up to the next.
    """

    def __init__(self, keep_s: float, max_bytes: int) -> None:
        """Hold nothing yet.

        Args:
            keep_s: so many seconds are there at least, once they have passed and fit.
            max_bytes: what the packets may take.
        """
        self._keep_s, self._max_bytes = keep_s, max_bytes
        self._lock = threading.Lock()
        self._packets: deque[EncodedPacket] = deque()
        self._first = 0
        """Number of the oldest packet."""
        self._keys: deque[int] = deque()
        """Numbers of key pictures in it."""
        self._runs: deque[PacketRun] = deque()
        """Those that have packets in it, and the newest."""
        self.bytes = 0
        self.paused = False
        """Whether nothing is kept: memory is tight."""
        self.overflows = 0
        """How often a single group did not fit, and was let go of."""

    @property
    def codec(self) -> str:
        """Of the newest run; empty where there was none."""
        return self._runs[-1].codec if self._runs else ""

    def keep(self, seconds: float) -> None:
        """Hold so many seconds from now on, if that is more than before."""
        self._keep_s = max(self._keep_s, seconds)

    def pause(self, *, paused: bool) -> None:
        """Let go of everything and keep nothing, or keep what comes from the next key picture on."""
        with self._lock:
            if paused and self._runs:
                self._drop(self._first + len(self._packets))
                self._begin(self._runs[-1].codec)
            self.paused = paused

    def begin(self, codec: str) -> None:
        """See `PacketTaker.begin`."""
        with self._lock:
            self._begin(codec)

    def put(self, packet: EncodedPacket) -> None:
        """See `PacketTaker.put`. What comes before a run's first key picture is left out."""
        with self._lock:
            if self.paused:
                return
            next_number = self._first + len(self._packets)
            if packet.is_key:
                self._keys.append(next_number)
            elif self._runs[-1].begin == next_number:
                return
            self._packets.append(packet)
            self.bytes += packet.data.nbytes + _OVERHEAD_BYTES
            self._let_go(packet.arrived_s)

    def start(self, event_s: float, before_s: float) -> tuple[PacketRun, int] | None:
        """Where a clip of an event begins: at the last key picture that is old enough, else at the run's first one.

        Returns:
            The event's run, and a packet's number in it, which may be still to come; None before the first run.
        """
        with self._lock:
            if not self._runs:
                return None
            runs = [run for run in self._runs if run.begin < self._first + len(self._packets)] or [self._runs[-1]]
            begun = [run for run in runs if self._arrived_s(max(run.begin, self._first)) <= event_s]
            run = (begun or runs[:1])[-1]
            after = next((other.begin for other in self._runs if other.number > run.number), None)
            keys = [number for number in self._keys if number >= run.begin and (after is None or number < after)]
            if not keys:
                return run, run.begin
            old_enough = [number for number in keys if self._arrived_s(number) <= event_s - before_s]
            return run, (old_enough or keys[:1])[-1]

    def read(self, run: PacketRun, number: int, most: int) -> RingPart:
        """Packets of a run from this number on, `most` at most."""
        with self._lock:
            if number < self._first:
                return RingPart(end="lost")
            index, there = number - self._first, len(self._packets)
            after = next((other for other in self._runs if other.number > run.number), None)
            end = there if after is None else min(there, after.begin - self._first)
            last = min(index + most, end)
            found = tuple(self._packets[place] for place in range(index, last))
            over = after is not None and last >= end
            return RingPart(packets=found, end="restarted" if over else "")

    def arrived_s(self, number: int) -> float:
        """When a packet was there; far in the future where it is still to come."""
        with self._lock:
            return self._arrived_s(number)

    def _arrived_s(self, number: int) -> float:
        """With the lock held: of a packet that is there; far in the future for one that is not."""
        index = number - self._first
        return self._packets[index].arrived_s if index < len(self._packets) else math.inf

    def _begin(self, codec: str) -> None:
        number = self._runs[-1].number + 1 if self._runs else 0
        self._runs.append(PacketRun(number=number, codec=codec, begin=self._first + len(self._packets)))
        self._forget_runs()

    def _let_go(self, now_s: float) -> None:
        """With the lock held: drop whole groups from the front, those that are too old and those that do not fit."""
        while len(self._keys) > 1 and self._arrived_s(self._keys[1]) <= now_s - self._keep_s:
            self._drop(self._keys[1])
        while self.bytes > self._max_bytes and len(self._keys) > 1:
            self._drop(self._keys[1])
        if self.bytes > self._max_bytes:
            self.overflows += 1
            self._drop(self._first + len(self._packets))
            self._begin(self._runs[-1].codec)

    def _drop(self, until: int) -> None:
        while self._first < until:
            self.bytes -= self._packets.popleft().data.nbytes + _OVERHEAD_BYTES
            self._first += 1
        while self._keys and self._keys[0] < until:
            self._keys.popleft()
        self._forget_runs()

    def _forget_runs(self) -> None:
        while len(self._runs) > 1 and self._runs[1].begin <= self._first:
            self._runs.popleft()
