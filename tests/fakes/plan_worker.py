"""A real worker that runs one plan, with settings as its keeper gives them."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from edgekit.schema.message import from_message, to_message
from edgekit.schema.plan import WorkerPlan
from edgekit.schema.report import Report, StreamReport
from edgekit.schema.settings import SETTINGS_FD_VARIABLE, BoardSettings

PATIENCE_S = 120.0


class PlanWorker:
    """A worker, and what it says."""

    def __init__(self, folder: Path, plan: WorkerPlan, settings: dict[str, object]) -> None:
        (folder / "work").mkdir()
        (folder / "plan.json").write_bytes(to_message(plan))
        self.log = folder / "log"
        self._line, theirs = socket.socketpair()
        readable, writable = os.pipe()
        os.write(writable, to_message(BoardSettings(nonce="", values=settings)))
        os.close(writable)
        environ = {
            **{name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG")},
            "EDGEKIT_REPORT_FD": str(theirs.fileno()),
            SETTINGS_FD_VARIABLE: str(readable),
        }
        argv = [sys.executable, "-m", "edgekit.device.runtime", "--release", folder, "--work", folder / "work"]
        with self.log.open("wb") as log:
            fds = [theirs.fileno(), readable]
            self.process = subprocess.Popen(argv, env=environ, pass_fds=fds, stderr=log, stdout=log)
        theirs.close()
        os.close(readable)
        self._line.settimeout(60)
        self._lines = self._line.makefile("rb")
        self.said: list[bytes] = []

    def until(self, fits: Callable[[dict[str, StreamReport]], bool]) -> dict[str, StreamReport]:
        """The first report from now on that fits."""
        until_s = time.monotonic() + PATIENCE_S
        streams: dict[str, StreamReport] = {}
        for line in self._lines:
            self.said.append(line)
            report = from_message(Report, line, "worker")
            streams = {stream.name: stream for stream in report.streams}
            if streams and fits(streams):
                return streams
            assert time.monotonic() < until_s, [(one.name, one.state, one.message) for one in report.streams]
        raise AssertionError(self.log.read_text())

    def close(self) -> None:
        self.process.terminate()
        self.process.wait(20)
        self._line.close()
