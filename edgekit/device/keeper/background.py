"""Process mode: a keeper without systemd, for trying things. Started, found and ended by its lock and its socket."""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import time
from pathlib import Path

from edgekit.device.keeper.filesystem import Filesystem
from edgekit.device.keeper.layout import Layout
from edgekit.device.keeper.service import only_one
from edgekit.errors import LockHeld, Unreachable
from edgekit.executor.local import start_detached
from edgekit.executor.processes import is_running

_READY_S = 60.0
_STOP_S = 30.0
_LOOK_S = 0.05


def spawn(layout: Layout, program: Path) -> str:
    """Start a keeper in the background unless one answers.

    Returns:
        One line of JSON: `pid`, `started`.

    Raises:
        Unreachable: it does not come up; its log says why.
    """
    pid = _answering(layout)
    if pid:
        return json.dumps({"pid": pid, "started": False})
    Filesystem().make_folders(layout.state_dir)
    argv = [sys.executable, "-I", str(program), "run", "--prefix", str(layout.prefix)]
    started = start_detached(argv, log=layout.log_file, cwd=Path("/"))
    for _ in range(int(_READY_S / _LOOK_S)):
        pid = _answering(layout)
        if pid:
            return json.dumps({"pid": pid, "started": True})
        if not is_running(started):
            break
        time.sleep(_LOOK_S)
    tail = layout.log_file.read_text(errors="replace")[-2000:]
    raise Unreachable("the keeper does not come up", hint=f"see {layout.log_file}", details=tail)


def halt(layout: Layout) -> str:
    """End the keeper and its workers; it is killed when it does not end by itself.

    Returns:
        One line of JSON: `pid` (0 where none ran), `killed`.
    """
    pid = _running(layout)
    if not pid:
        return json.dumps({"pid": 0, "killed": False})
    os.kill(pid, signal.SIGTERM)
    for _ in range(int(_STOP_S / _LOOK_S)):
        if not _running(layout) and not is_running(pid):
            return json.dumps({"pid": pid, "killed": False})
        time.sleep(_LOOK_S)
    os.kill(pid, signal.SIGKILL)
    return json.dumps({"pid": pid, "killed": True})


def _answering(layout: Layout) -> int:
    """The process that listens on the socket, or 0. Source: unix(7), SO_PEERCRED."""
    with socket.socket(socket.AF_UNIX) as client:
        try:
            client.connect(os.fspath(layout.socket))
        except OSError:
            return 0
        raw = client.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
        return int.from_bytes(raw[:4], sys.byteorder)


def _running(layout: Layout) -> int:
    """The process that holds the prefix's lock, or 0. A process id in a file that is not locked means nothing."""
    if not layout.lock_file.exists():
        return 0
    pid = int(layout.lock_file.read_text().strip() or 0)
    try:
        with only_one(layout, Filesystem()):
            return 0
    except LockHeld:
        return pid
