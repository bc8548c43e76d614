"""The worker's voice: from its first moment on, while it is busy with something else, and until its keeper has gone."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgekit.device.runtime.reporter import Reporter
from edgekit.errors import InputError
from edgekit.schema.message import from_message
from edgekit.schema.report import Phase, Report
from tests.fakes.clock import Clock


class Line:
    """The keeper's end of a worker's line."""

    def __init__(self, keeper: socket.socket, worker: socket.socket) -> None:
        self.keeper, self.fd = keeper, worker.fileno()
        self._file = keeper.makefile("rb")

    def next(self) -> Report:
        return from_message(Report, self._file.readline(), "worker")


@pytest.fixture
def line() -> Iterator[Line]:
    keeper, worker = socket.socketpair()
    keeper.settimeout(10)
    with keeper, worker:
        yield Line(keeper, worker)


def test_each_turn_is_said_at_once(line: Line) -> None:
    clock = Clock()
    reporter = Reporter(line.fd, clock)
    reporter.turn("starting", "loading engines")
    clock.advance(61.5)
    reporter.turn("golden", "running 4 golden frames")
    first, second = line.next(), line.next()
    assert (first.phase, first.message, first.uptime_s) == ("starting", "loading engines", 0.0)
    assert (second.phase, second.message, second.uptime_s) == ("golden", "running 4 golden frames", 61.5)


def test_it_goes_on_while_an_engine_loads_for_a_minute(line: Line) -> None:
    """On a thread of its own: nobody calls it in between."""
    clock = Clock()
    ticks = iter([False] * 60 + [True])

    def wait(_seconds: float) -> bool:
        clock.advance(1.0)
        return next(ticks)

    reporter = Reporter(line.fd, clock, wait=wait)
    reporter.turn("starting", "loading engines")
    reporter.start()
    reports = [line.next() for _ in range(61)]
    reporter.stop()
    assert [(one.phase, one.message) for one in reports] == [("starting", "loading engines")] * 61
    assert [round(one.uptime_s) for one in reports] == list(range(61))


def test_once_it_runs_reports_have_figures(line: Line) -> None:
    def make(phase: Phase, message: str, uptime_s: float) -> Report:
        return Report(phase=phase, message=message, uptime_s=uptime_s, frames=7)

    reporter = Reporter(line.fd, Clock())
    reporter.follow(make)
    reporter.turn("running")
    reporter.report()
    assert [line.next().frames for _ in range(2)] == [7, 7]


def test_how_golden_frames_ended_is_said(line: Line) -> None:
    reporter = Reporter(line.fd, Clock())
    reporter.fail(InputError("golden frames failed: no disc", hint="look", cause="golden"), golden="failed: no disc")
    reporter.report()
    for _ in range(2):
        said = line.next()
        assert (said.phase, said.golden) == ("failed", "failed: no disc")


def test_what_lies_behind_a_failure_and_what_helps_is_said_until_the_end(line: Line) -> None:
    reporter = Reporter(line.fd, Clock())
    reporter.fail(InputError("engine a.onnx cannot be loaded", hint="build it again", cause="bad_model"))
    reporter.report()
    for _ in range(2):
        said = line.next()
        assert (said.message, said.cause, said.hint) == (
            "engine a.onnx cannot be loaded",
            "bad_model",
            "build it again",
        )


def test_what_nobody_expected_is_said_with_its_kind(line: Line) -> None:
    reporter = Reporter(line.fd, Clock())
    reporter.fail(OSError(errno.EADDRINUSE, "Address already in use"))
    said = line.next()
    assert (said.phase, said.cause, said.hint) == ("failed", "port_taken", "")
    assert said.message == "OSError: [Errno 98] Address already in use"


def test_it_waits_for_the_time_a_signal_or_the_keepers_end(line: Line) -> None:
    ours, theirs = os.pipe()
    reporter = Reporter(line.fd, Clock())
    assert reporter.wait(ours, 0.01), "the time is over"
    line.keeper.send(b"x")
    assert reporter.wait(ours, 5), "a keeper that says something is there"
    os.write(theirs, b"\0")
    assert not reporter.wait(ours, 5), "a signal"
    os.read(ours, 1)
    line.keeper.shutdown(socket.SHUT_RDWR)
    assert not reporter.wait(ours, 5), "the keeper has gone"
    reporter.turn("running")
    os.close(ours)
    os.close(theirs)


def test_without_a_keeper_it_speaks_to_nobody(tmp_path: Path) -> None:
    ours, theirs = os.pipe()
    reporter = Reporter(None, Clock())
    reporter.turn("running")
    assert reporter.wait(ours, 0.01)
    os.write(theirs, b"\0")
    assert not reporter.wait(ours, 5)
    os.close(ours)
    os.close(theirs)
