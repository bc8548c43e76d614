"""One reading of all sensors. Each kind is read on a thread of its own: a driver that hangs costs its kind alone."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields

from edgekit.device.telemetry.accelerators import read_loads
from edgekit.device.telemetry.clocks import read_clocks
from edgekit.device.telemetry.files import SensorFiles
from edgekit.device.telemetry.power import read_power
from edgekit.device.telemetry.thermal import read_thermal
from edgekit.schema.telemetry import MAX_READINGS, BoardTelemetry, plain_note

Read = Callable[[SensorFiles], BoardTelemetry]

KINDS: Mapping[str, Read] = {
    "temperatures": read_thermal,
    "load": read_loads,
    "clocks": read_clocks,
    "power": read_power,
}
_PATIENCE_S = 1.0


class Sensors:
    """Reads what a board tells, in bounded time."""

    def __init__(self, root: str, *, kinds: Mapping[str, Read] = KINDS, patience_s: float = _PATIENCE_S) -> None:
        """Read below `root`; a kind that takes longer than `patience_s` is left out of that reading."""
        self._root = root
        self._kinds = kinds
        self._patience_s = patience_s
        self._running: dict[str, _Attempt] = {}
        """Attempts that have not ended: no second thread is ever lost to the same driver."""

    def read(self) -> BoardTelemetry:
        """All kinds that answer in time, and a note for each that does not."""
        deadline_s = time.monotonic() + self._patience_s
        hanging = [kind for kind, attempt in self._running.items() if attempt.is_alive()]
        attempts = {kind: _Attempt(read, self._root) for kind, read in self._kinds.items() if kind not in hanging}
        for attempt in attempts.values():
            attempt.start()
        found = []
        for kind, attempt in attempts.items():
            attempt.join(max(0.0, deadline_s - time.monotonic()))
            if attempt.is_alive():
                self._running[kind] = attempt
                hanging.append(kind)
            else:
                self._running.pop(kind, None)
                found.append(attempt.found or _note(f"{kind}: {attempt.fault}"))
        return merged([*found, *(_note(f"{kind}: the board's driver does not answer") for kind in sorted(hanging))])


class _Attempt(threading.Thread):
    """One kind, once."""

    def __init__(self, read: Read, root: str) -> None:
        super().__init__(daemon=True)
        self._read = read
        self._root = root
        self.found: BoardTelemetry | None = None
        self.fault = ""

    def run(self) -> None:
        """Read. Odd boards are odd in unforeseen ways: a failure leaves the rest."""
        try:
            self.found = self._read(SensorFiles(self._root))
        except Exception as error:
            self.fault = f"cannot be read: {type(error).__name__}: {error}"


def merged(parts: Iterable[BoardTelemetry]) -> BoardTelemetry:
    """One reading out of several: lists after each other, of a single value the first that is there."""
    parts = list(parts)
    lists = {
        field.name: tuple(item for part in parts for item in getattr(part, field.name))[:MAX_READINGS]
        for field in fields(BoardTelemetry)
        if field.name != "module_watts"
    }
    watts = next((part.module_watts for part in parts if part.module_watts is not None), None)
    return BoardTelemetry(**lists, module_watts=watts)


def _note(text: str) -> BoardTelemetry:
    return BoardTelemetry(notes=(plain_note(text),))
