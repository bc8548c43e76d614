"""A lane's thread and its CPUs, on the real kernel."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from edgekit.device.runtime.schedule.pinning import name_thread, pin_thread
from edgekit.errors import InputError

ALLOWED = tuple(sorted(os.sched_getaffinity(0)))
ABSENT = 4000


def on_a_thread(work: Callable[[], object]) -> object:
    """Run `work` on a thread of its own, whose CPUs are its own; what it raises is its result."""
    results: list[object] = []

    def main() -> None:
        try:
            results.append(work())
        except InputError as error:
            results.append(error)

    thread = threading.Thread(target=main)
    thread.start()
    thread.join()
    return results[0]


def pin(cpus: tuple[int, ...], *, inherited: tuple[int, ...] = ALLOWED, advisory: bool = False) -> object:
    """What `pin_thread` says, and where the thread is afterwards."""

    def work() -> object:
        os.sched_setaffinity(0, inherited)
        return pin_thread("see", cpus, advisory=advisory), tuple(sorted(os.sched_getaffinity(0)))

    return on_a_thread(work)


def test_a_thread_runs_where_it_is_told_and_no_other_moves() -> None:
    assert pin(ALLOWED[-1:]) == ("", ALLOWED[-1:])
    assert pin(()) == ("", ALLOWED)
    assert tuple(sorted(os.sched_getaffinity(0))) == ALLOWED


@pytest.mark.skipif(len(ALLOWED) < 2, reason="needs two CPUs")
def test_an_inherited_mask_is_no_limit() -> None:
    assert pin(ALLOWED[1:2], inherited=ALLOWED[:1]) == ("", ALLOWED[1:2])


@pytest.mark.parametrize("cpus", [(ABSENT,), (ALLOWED[0], ABSENT)], ids=["none is there", "one is not there"])
def test_a_cpu_that_is_not_there_is_refused_or_only_told(cpus: tuple[int, ...]) -> None:
    refused = pin(cpus)
    assert isinstance(refused, InputError) and "lane see: CPUs" in refused.message and "4000" in refused.message
    told = pin(cpus, advisory=True)
    assert isinstance(told, tuple) and told[0].endswith("it is not pinned") and told[1] == ALLOWED


def test_a_long_name_is_cut() -> None:
    def work() -> str:
        tid = threading.get_native_id()
        name_thread("a-lane-with-a-long-name", tid, Path("/proc"))
        return Path(f"/proc/self/task/{tid}/comm").read_text()

    assert on_a_thread(work) == "a-lane-with-a-l\n"
