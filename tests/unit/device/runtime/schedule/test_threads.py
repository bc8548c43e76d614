"""A thread with CPUs of its own: it starts there, or says why not."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from edgekit.device.runtime.schedule.threads import PinnedThread
from edgekit.errors import EdgekitError, InputError
from tests.fakes.eventually import PATIENCE_S

ABSENT = (4095,)


def test_a_thread_that_may_not_run_on_its_cpus_does_not_start() -> None:
    ran: list[int] = []
    thread = PinnedThread("follow", ABSENT, advisory=False, body=lambda: ran.append(1))
    with pytest.raises(InputError, match="lane follow: CPUs 4095 are not all there"):
        thread.start()
    assert thread.join(PATIENCE_S) and ran == []


def test_where_that_is_advisory_it_starts_and_says_so() -> None:
    ran: list[set[int]] = []
    thread = PinnedThread("follow", ABSENT, advisory=True, body=lambda: ran.append(os.sched_getaffinity(0)))
    thread.start()
    assert thread.join(PATIENCE_S) and ran == [os.sched_getaffinity(0)]
    assert thread.note.endswith("it is not pinned") and thread.failure is None


def test_it_runs_where_it_shall_and_under_its_name() -> None:
    seen: list[object] = []

    def body() -> None:
        tid = threading.get_native_id()
        seen.extend([os.sched_getaffinity(0), Path(f"/proc/self/task/{tid}/comm").read_text().strip(), tid])

    cpu = max(os.sched_getaffinity(0))
    thread = PinnedThread("camera/belt-number-one", (cpu,), advisory=False, body=body)
    assert thread.join(0), "one that never started is not at work"
    thread.start()
    assert thread.join(PATIENCE_S) and seen == [{cpu}, "camera/belt-num", thread.tid] and thread.note == ""


def test_a_realtime_thread_runs_before_others_or_says_why_not() -> None:
    """What it starts runs as any other: the pools of a library that it calls."""
    seen: list[int] = []

    def body() -> None:
        seen.append(os.sched_getscheduler(0) & ~os.SCHED_RESET_ON_FORK)
        child = threading.Thread(target=lambda: seen.append(os.sched_getscheduler(0)))
        child.start()
        child.join()

    thread = PinnedThread("gate", (), advisory=False, body=body, realtime=True)
    thread.start()
    assert thread.join(PATIENCE_S) and thread.failure is None
    if thread.note:
        assert "lane gate: the kernel gives it no realtime scheduling here" in thread.note
        assert seen == [os.SCHED_OTHER, os.SCHED_OTHER]
    else:
        assert seen == [os.SCHED_FIFO, os.SCHED_OTHER]


def test_where_the_kernel_allows_no_realtime_the_lane_runs_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "sched_setscheduler", refuse)
    ran: list[int] = []
    thread = PinnedThread("gate", ABSENT, advisory=True, body=lambda: ran.append(1), realtime=True)
    thread.start()
    assert thread.join(PATIENCE_S) and ran == [1]
    assert thread.note.endswith("(Operation not permitted); it runs as any other")
    assert "it is not pinned; lane gate: the kernel" in thread.note, "both are told"


def test_one_that_is_at_work_is_not_joined() -> None:
    held = threading.Event()
    thread = PinnedThread("follow", (), advisory=False, body=lambda: held.wait(PATIENCE_S) and None)
    thread.start()
    assert not thread.join(0.01)
    held.set()
    assert thread.join(PATIENCE_S) and thread.failure is None


def test_what_ends_it_before_its_time_is_kept() -> None:
    def leave() -> None:
        raise EdgekitError("stage own called sys.exit(5)", hint="")

    thread = PinnedThread("follow", (), advisory=False, body=leave)
    thread.start()
    assert thread.join(PATIENCE_S)
    assert thread.failure is not None and thread.failure.message == "stage own called sys.exit(5)"
