"""What the keeper starts to read sensors: answers each byte on its socket with one line, and ends when nobody asks.

It is a process of its own because a driver can hang whoever reads it past any signal: not the keeper, then.
"""

from __future__ import annotations

import contextlib
import os
import socket
from pathlib import Path

from edgekit.device.telemetry.jtop import Jtop, completed
from edgekit.device.telemetry.sensors import Sensors
from edgekit.executor.child import start_child
from edgekit.schema.message import to_line

_IDLE_S = 120.0
"""Longer than monitoring leaves between two looks: each start costs as much as many readings."""
_NICENESS = 10
_OOM_SCORE = "900"
"""Ended before any worker (500) when the board runs out of memory."""


def main(fd: int, *, root: str = "/", idle_s: float = _IDLE_S) -> int:
    """Serve the socket `fd` until its other end closes, or nobody has asked for `idle_s`.

    Args:
        fd: one end of a stream socket pair.
        root: below which /sys, /proc and jtop's socket are.
        idle_s: how long to wait for a request.
    """
    os.nice(_NICENESS)
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(_OOM_SCORE)
    sensors, jtop = Sensors(root), Jtop(root, start_child)
    with socket.socket(fileno=fd) as keeper, contextlib.suppress(OSError):
        keeper.settimeout(idle_s)
        while keeper.recv(64):
            keeper.sendall(to_line(completed(sensors.read(), jtop.figures())))
    jtop.close()
    return 0
