"""jetson-stats' figures, where its service runs and knows the board: what sysfs does not tell is taken from there.

jetson-stats is AGPL: it runs in a process and a Python of its own, which the board's owner has installed it for, and
edgekit imports nothing of it. Sysfs comes first, as jtop's versions differ in what they say: 4.3.2 knows no L4T after
36.4.3 (rbonghi/jetson_stats#768, #808), and ones before 7.2 take NVML for the GPU on L4T 39, which tells nothing there
(#867). Source: jetson-stats, jtop/jtop.py and docs, for `jtop.stats`.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import socket
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from edgekit.device.telemetry.files import SensorFiles
from edgekit.errors import EdgekitError
from edgekit.executor.child import Child, Starter
from edgekit.schema.telemetry import (
    CELSIUS,
    MAX_READINGS,
    RATIO,
    WATTS,
    AcceleratorLoad,
    BoardTelemetry,
    PowerRail,
    Temperature,
    plain_name,
    plain_note,
)

_SOCKET = "run/jtop.sock"
_COMMANDS = ("usr/local/bin/jtop", "usr/bin/jtop")
_KNOWS = (((7, 2), (39, 2)), ((4, 3), (36, 4, 3)))
"""Versions of jetson-stats, newest first, and the last L4T that each knows."""
_FRESH_S = 15.0
_RETRY_S = 300.0
_MAX_BYTES = 64 << 10
_MOST = 1e9
_MAX_READS = 16
"""In one look: one that never stops talking is heard no longer."""

DROP = """
import os, sys
sock, *argv = sys.argv[1:]
if os.geteuid() == 0:
    group = os.stat(sock).st_gid
    os.setgroups([group])
    os.setresgid(group, group, group)
    os.setresuid(65534, 65534, 65534)
os.execv(argv[0], argv)
"""
"""Runs as `python -I -S -c DROP SOCKET PROGRAM...`: root becomes nobody, in the socket's group, first."""
PROGRAM = """
import json, os, sys, threading
def end():
    os.read(int(sys.argv[1]), 1)
    os._exit(0)
threading.Thread(target=end, daemon=True).start()
from importlib.metadata import version
print(json.dumps({"version": version("jetson-stats")}), flush=True)
from jtop import jtop
with jtop(interval=5.0) as board:
    while board.ok():
        print(json.dumps({"stats": board.stats}, default=str), flush=True)
"""
"""Runs in jetson-stats' own Python as `python -I -c PROGRAM FD`; ends when the socket FD closes."""


class Jtop:
    """A child that asks jtop, started where there is one to ask."""

    def __init__(self, root: str, start: Starter, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._root = root.rstrip("/")
        self._files = SensorFiles(root)
        self._start = start
        self._clock = clock
        self._child: Child | None = None
        self._line: socket.socket | None = None
        self._unread = b""
        self._tried_s: float | None = None
        self._figures = BoardTelemetry()
        self._heard_s: float | None = None
        self._trouble = ""

    def figures(self) -> BoardTelemetry:
        """What it has told in the last seconds, or a note why it is not asked. Never waits; empty without jtop."""
        if not self._files.there(_SOCKET):
            self.close()
            return BoardTelemetry()
        if self._child is None and (self._tried_s is None or self._clock() - self._tried_s > _RETRY_S):
            self._begin()
        self._listen()
        if self._trouble:
            return BoardTelemetry(notes=(plain_note(f"jtop: {self._trouble}"),))
        fresh = self._heard_s is not None and self._clock() - self._heard_s < _FRESH_S
        return self._figures if fresh else BoardTelemetry()

    def close(self) -> None:
        """End the child: it does when its socket closes."""
        if self._line is not None:
            self._line.close()
            self._line = None
        if self._child is not None:
            self._child.kill()
            if self._child.ended():
                self._child.reap()
            self._child = None

    def _begin(self) -> None:
        self._tried_s, self._trouble, self._unread = self._clock(), "", b""
        scripts = (self._files.text(command) or "" for command in _COMMANDS)
        first = next((line for line in (script.partition("\n")[0] for script in scripts) if line), "")
        python = re.fullmatch(r"#! ?(/[^ ]+)", first)
        if python is None:
            self._trouble = "its command names no Python"
            return
        own, theirs = socket.socketpair()
        argv = [sys.executable, "-I", "-S", "-c", DROP, f"{self._root}/{_SOCKET}"]
        argv += [python[1], "-I", "-c", PROGRAM, str(theirs.fileno())]
        try:
            self._child = self._start(argv, env={"PATH": "/usr/bin:/bin"}, cwd="/", inherit=[theirs.fileno()])
            self._line = own
        except EdgekitError as error:
            own.close()
            self._trouble = error.message
        finally:
            theirs.close()

    def _listen(self) -> None:
        """Take what it has said since the last time."""
        if self._child is None:
            return
        with contextlib.suppress(BlockingIOError):
            for _ in range(_MAX_READS):
                raw = os.read(self._child.output, _MAX_BYTES)
                if not raw:
                    self._trouble = self._trouble or "its client has ended"
                    self.close()
                    return
                *lines, rest = (self._unread + raw).split(b"\n")
                self._unread = rest[-_MAX_BYTES:]
                for line in lines:
                    self._take(line)
                    if self._child is None:
                        return

    def _take(self, line: bytes) -> None:
        try:
            message = json.loads(line)
        except (ValueError, RecursionError):
            message = None
        if not isinstance(message, dict):  # an error of its client: the last line says why
            self._trouble = line.decode("utf-8", "replace").strip()[:150] or self._trouble
        elif "version" in message:
            self._trouble = why_not(str(message["version"]), self._l4t())
            if self._trouble:
                self.close()
        elif isinstance(message.get("stats"), dict):
            self._figures, self._heard_s, self._trouble = figures_of(message["stats"]), self._clock(), ""

    def _l4t(self) -> tuple[int, ...]:
        found = re.match(r"# R(\d+) \(release\), REVISION: ([\d.]+)", self._files.text("etc/nv_tegra_release") or "")
        return _numbers(".".join(found.groups())) if found else ()


def figures_of(stats: Mapping[str, Any]) -> BoardTelemetry:
    """`jtop.stats`: `Temp cpu` in degrees, `Power VDD_IN` in mW, `GPU` in percent."""
    temperatures, rails, loads, watts = [], [], [], None
    for key, figure in list(stats.items())[: 4 * MAX_READINGS]:
        kind, _, rest = str(key).partition(" ")
        name, value = plain_name(rest), _plain_number(figure)
        if value is None:
            continue
        if kind == "Temp" and name and CELSIUS.admits(value):
            temperatures.append(Temperature(zone=name.lower(), celsius=value))
        elif key == "Power TOT" and WATTS.admits(value / 1000):
            watts = value / 1000
        elif kind == "Power" and name and WATTS.admits(value / 1000):
            rails.append(PowerRail(rail=name, watts=value / 1000))
        elif key == "GPU" and RATIO.admits(value / 100):
            loads.append(AcceleratorLoad(accelerator="gpu", ratio=value / 100))
    return BoardTelemetry(
        temperatures=tuple(temperatures[:MAX_READINGS]),
        loads=tuple(loads),
        rails=tuple(rails[:MAX_READINGS]),
        module_watts=watts,
    )


def _plain_number(value: object) -> float | None:
    """A number that JSON gave, else None; its whole numbers may be beyond any float."""
    if isinstance(value, bool) or not isinstance(value, int | float) or abs(value) > _MOST:
        return None
    return float(value)


def completed(own: BoardTelemetry, jtop: BoardTelemetry) -> BoardTelemetry:
    """What sysfs tells; of a kind of which that tells nothing, what jtop does."""
    given = {"temperatures": jtop.temperatures, "load": jtop.loads, "power": jtop.rails}
    notes = (note for note in own.notes if not given.get(note.partition(":")[0]))
    return replace(
        own,
        temperatures=own.temperatures or jtop.temperatures,
        loads=own.loads or jtop.loads,
        rails=own.rails or jtop.rails,
        module_watts=own.module_watts if own.rails else jtop.module_watts,
        notes=(*notes, *jtop.notes)[:MAX_READINGS],
    )


def why_not(version: str, l4t: tuple[int, ...]) -> str:
    """Why this version is not believed on this board; empty where it is."""
    known = next((last for since, last in _KNOWS if _numbers(version) >= since), ())
    if known and l4t and l4t[: len(known)] <= known:
        return ""
    return f"jetson-stats {version[:20]} does not know L4T {'.'.join(map(str, l4t)) or 'of this board'}"


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall("[0-9]{1,6}", version)[:4])
