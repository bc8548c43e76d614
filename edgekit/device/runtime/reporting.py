"""What the worker tells its keeper, and how it hears that the keeper has gone."""

from __future__ import annotations

import contextlib
import os
import select
import time
from collections.abc import Sequence

from edgekit.device.runtime.figures import Outcome
from edgekit.device.runtime.metrics import metrics_text
from edgekit.device.runtime.schedule.lanes import Lane
from edgekit.schema.message import to_line
from edgekit.schema.report import LaneReport, Phase, Report

_METRICS_EVERY = 5
_STUCK_S = 5.0


class Reporter:
    """Writes reports to the pipe that the keeper handed over; to nobody where there is none."""

    def __init__(self, fd: int | None) -> None:
        self._fd = fd
        self._began_s = time.monotonic()

    def send(self, report: Report) -> None:
        """One line; a keeper that has gone is noticed by `wait`, not here."""
        if self._fd is not None:
            line = memoryview(to_line(report))
            with contextlib.suppress(OSError):
                while line:
                    line = line[os.write(self._fd, line) :]

    def say(self, phase: Phase, message: str = "", golden: str = "") -> None:
        """A report without figures."""
        self.send(Report(phase=phase, message=message, golden=golden, uptime_s=time.monotonic() - self._began_s))

    def wait(self, wake_fd: int, seconds: float) -> bool:
        """Wait for a signal, the keeper's end or the time; False once the worker shall stop."""
        fds = [wake_fd] + ([self._fd] if self._fd is not None else [])
        ready, _, _ = select.select(fds, [], [], seconds)
        if wake_fd in ready:
            return False
        return not (self._fd in ready and self._fd is not None and not _read(self._fd))


def _read(fd: int) -> bytes:
    try:
        return os.read(fd, 4096)
    except OSError:
        return b""


class RunningReports:
    """Reports of a running pipeline: rates are since the last one."""

    def __init__(self, lanes: Sequence[Lane], outcome: Outcome, golden: str) -> None:
        self._lanes = lanes
        self._outcome = outcome
        self._golden = golden
        self._began_s = self._last_s = time.monotonic()
        self._busy_s = dict.fromkeys((lane.name for lane in lanes), 0.0)
        self._metrics = ""
        self._count = 0

    def make(self, phase: Phase = "running", message: str = "") -> Report:
        """How it goes."""
        now_s = time.monotonic()
        window = self._outcome.window(now_s, self._began_s)
        passed_s, self._last_s = max(now_s - self._last_s, 1e-3), now_s
        if self._count % _METRICS_EVERY == 0 or phase != "running":
            self._metrics = metrics_text(self._lanes, self._outcome)
        self._count += 1
        return Report(
            phase=phase,
            message=message or self._trouble(now_s),
            uptime_s=round(now_s - self._began_s, 3),
            frames=self._outcome.frames,
            errors=sum(lane.dropped().get("error", 0) for lane in self._lanes),
            fps=round(window.fps, 2),
            p50_ms=round(window.p50_ms, 2),
            p99_ms=round(window.p99_ms, 2),
            golden=self._golden,
            counts=self._outcome.counts,
            score=self._outcome.score,
            lanes=tuple(self._lane(lane, passed_s) for lane in self._lanes),
            metrics=self._metrics,
        )

    def _lane(self, lane: Lane, passed_s: float) -> LaneReport:
        before, self._busy_s[lane.name] = self._busy_s[lane.name], lane.figures.busy_s
        return LaneReport(
            name=lane.name,
            tid=lane.figures.tid,
            cpus=_affinity(lane.figures.tid),
            busy_ratio=round(min(1.0, (lane.figures.busy_s - before) / passed_s), 3),
            queue=len(lane.queue),
            dropped=lane.dropped(),
        )

    def _trouble(self, now_s: float) -> str:
        """A lane that is not pinned, or one that does not come out of a stage."""
        told = [lane.note for lane in self._lanes if lane.note]
        for lane in self._lanes:
            call = lane.figures.call
            if call is not None and now_s - call.since_s > _STUCK_S:
                told.append(f"lane {lane.name}: in stage {call.stage} for {now_s - call.since_s:.1f} s")
        return "; ".join(told)


def _affinity(tid: int) -> tuple[int, ...]:
    try:
        return tuple(sorted(os.sched_getaffinity(tid)))
    except OSError:
        return ()
