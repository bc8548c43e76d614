"""A real worker that runs one plan, with settings as its keeper gives them."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from edgekit.device.keeper.process.launch import worker_env
from edgekit.schema.board import PREVIEW_FD_VARIABLE, SERVE_FD_VARIABLE
from edgekit.schema.message import from_message, to_message
from edgekit.schema.plan import WorkerPlan
from edgekit.schema.report import REPORT_FD_VARIABLE, Report, StreamReport
from edgekit.schema.settings import SETTINGS_FD_VARIABLE, BoardSettings
from tests.fakes.eventually import PATIENCE_S


class PlanWorker:
    """A worker, and what it says."""

    def __init__(
        self,
        folder: Path,
        plan: WorkerPlan,
        settings: dict[str, object],
        preview: socket.socket | None = None,
        serve: socket.socket | None = None,
        *,
        cgroup: Path | None = None,
    ) -> None:
        (folder / "work").mkdir(exist_ok=True)
        (folder / "plan.json").write_bytes(to_message(plan))
        self.log = folder / "log"
        self._line, theirs = socket.socketpair()
        readable, writable = os.pipe()
        os.write(writable, to_message(BoardSettings(nonce="", values=settings)))
        os.close(writable)
        fds = {REPORT_FD_VARIABLE: theirs.fileno(), SETTINGS_FD_VARIABLE: readable}
        for variable, listener in ((PREVIEW_FD_VARIABLE, preview), (SERVE_FD_VARIABLE, serve)):
            if listener is not None:
                fds[variable] = listener.fileno()
        environ = {**worker_env(folder / "work", fds), "PYTHONPATH": str(folder / "app")}
        argv = [sys.executable, "-m", "edgekit.device.runtime", "--release", folder, "--work", folder / "work"]
        if cgroup is not None:  # a shell joins and becomes the worker
            join = 'echo 0 > "$0/cgroup.procs" && exec "$@"'
            argv = ["/bin/sh", "-c", join, str(cgroup), *map(str, argv)]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(argv, env=environ, pass_fds=tuple(fds.values()), stderr=log, stdout=log)
        theirs.close()
        os.close(readable)
        self._line.settimeout(60)
        self._lines = self._line.makefile("rb")
        self.said: list[bytes] = []

    def until(self, fits: Callable[[dict[str, StreamReport]], bool]) -> dict[str, StreamReport]:
        """The streams of the first report from now on that fits."""
        report = self.until_report(
            lambda one: bool(one.streams) and fits({stream.name: stream for stream in one.streams})
        )
        return {stream.name: stream for stream in report.streams}

    def until_report(self, fits: Callable[[Report], bool]) -> Report:
        """The first report from now on that fits."""
        until_s = time.monotonic() + PATIENCE_S
        for report in self.reports():
            if fits(report):
                return report
            assert time.monotonic() < until_s, [(one.name, one.state, one.message) for one in report.streams]
        raise AssertionError(self.log.read_text())

    def reports(self) -> Iterator[Report]:
        """All from now on, until it ends."""
        for line in self._lines:
            self.said.append(line)
            yield from_message(Report, line, "worker")

    def close(self) -> None:
        self.process.terminate()
        self.process.wait(PATIENCE_S)
        self._line.close()
