"""Records what schedulers are told and decide, and what lanes, slots and lines do with frames, while somebody wants it.

Nothing exists of it otherwise: whoever could tell it something asks `recorder is not None`, and no more.
"""

from __future__ import annotations

import struct
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING

from edgekit.schema.trace import MAX_NUMBERS_BYTES, WIDTHS, TraceKind

if TYPE_CHECKING:
    from edgekit.device.runner.slots import SlotTurn
    from edgekit.device.runtime.schedule.decide import Act, Asking
    from edgekit.stage import Frame

_NOBODY = -1.0
_PACKED = {kind: struct.Struct(f"<{width + 1}d") for kind, width in WIDTHS.items()}


class Recorder:
    """One record, in memory of a bounded size; once that is full nothing more is taken. Any thread may tell it things.

    A decision and all that belongs to it are taken whole or not at all, so that what was taken replays.
    """

    def __init__(self, most_bytes: int = MAX_NUMBERS_BYTES) -> None:
        self.full = False
        self.numbers = bytearray()
        self._most_bytes = most_bytes
        self._places: dict[str, int] = {}
        self._lock = threading.Lock()

    @property
    def names(self) -> tuple[str, ...]:
        """In the order of their places."""
        with self._lock:
            return tuple(self._places)

    def came(self, at_s: float, lane: str, frame: Frame) -> None:
        """A frame stands in line."""
        self._add(TraceKind.CAME, at_s, self._place(lane), self._place(frame.stream), frame.sequence, frame.captured_s)

    def worked(self, began_s: float, took_s: float, lane: str, thread: str, frame: Frame) -> None:
        """A lane's thread has done its steps on a frame."""
        places = self._place(lane), self._place(thread), self._place(frame.stream)
        self._add(TraceKind.WORKED, began_s, took_s, *places, frame.sequence)

    def step(self, began_s: float, took_s: float, thread: str, step: str) -> None:
        """A thread was inside a stage, a sink or a decoder."""
        self._add(TraceKind.STEP, began_s, took_s, self._place(thread), self._place(step))

    def slot(self, engine: str, turn: SlotTurn) -> None:
        """An inference had a place to compute on."""
        self._add(TraceKind.SLOT, turn.began_s, turn.took_s, turn.waited_s, self._place(engine), turn.slot)

    def dropped(self, at_s: float, lane: str, frame: Frame, cause: str) -> None:
        """A frame ended in line."""
        places = self._place(lane), self._place(frame.stream)
        self._add(TraceKind.DROPPED, at_s, *places, frame.sequence, self._place(cause))

    def began(self, at_s: float, lane: str, stream: str, places: int) -> None:
        """A stream is served without a decision."""
        self._add(TraceKind.BEGAN, at_s, self._place(lane), self._place(stream), places)

    def ended(self, at_s: float, lane: str, stream: str, places: int, took_s: float) -> None:
        """Its places are free again."""
        self._add(TraceKind.ENDED, at_s, self._place(lane), self._place(stream), places, took_s)

    def moved(self, lane: str, places: int) -> None:
        """So many places more are free, or fewer."""
        self._add(TraceKind.MOVED, self._place(lane), places)

    def decided(
        self, at_s: float, lane: str, asking: Sequence[Asking], following: Sequence[tuple[str, float]], act: Act | None
    ) -> None:
        """What a scheduler was asked, what it was told meanwhile, and what it decided."""
        parts = [
            _PACKED[TraceKind.DECIDED].pack(TraceKind.DECIDED, at_s, self._place(lane), len(asking), len(following))
        ]
        for stream, *numbers in asking:
            parts.append(_PACKED[TraceKind.ASKING].pack(TraceKind.ASKING, self._place(stream), *numbers))
        for stream, seconds in following:
            parts.append(_PACKED[TraceKind.FOLLOWING].pack(TraceKind.FOLLOWING, self._place(stream), seconds))
        chosen = self._place(act.stream) if act is not None else _NOBODY
        cause = self._place(act.cause) if act is not None and act.cause else _NOBODY
        parts.append(_PACKED[TraceKind.CHOSEN].pack(TraceKind.CHOSEN, chosen, cause))
        self._append(b"".join(parts))

    def _add(self, kind: TraceKind, *numbers: float) -> None:
        self._append(_PACKED[kind].pack(kind, *numbers))

    def _append(self, packed: bytes) -> None:
        with self._lock:
            if self.full or len(self.numbers) + len(packed) > self._most_bytes:
                self.full = True
                return
            self.numbers += packed

    def _place(self, name: str) -> int:
        place = self._places.get(name)
        if place is None:
            with self._lock:
                place = self._places.setdefault(name, len(self._places))
        return place
