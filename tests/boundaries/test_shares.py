"""Tests run beside each other, and what they share stays with one worker."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from tests.conftest import pytest_xdist_make_scheduler

BOARDS = [f"tests/board/test_on_{name}.py::test_it[a::b]" for name in ("keeper", "worker")]
SLOW = [f"tests/integration/test_build.py::test_{number}" for number in range(4)]
QUICK = [f"tests/unit/test_a.py::test_it[{number}]" for number in range(9)]


class Worker:
    """Stands for one of pytest-xdist's: it is handed tests by their place in the collection."""

    gateway = SimpleNamespace(id="gw")
    shutting_down = False

    def __init__(self) -> None:
        self.tests: list[str] = []

    def send_runtest_some(self, places: list[int]) -> None:
        self.tests += [(BOARDS + SLOW + QUICK)[place] for place in places]

    def shutdown(self) -> None:
        self.shutting_down = True


def test_files_are_handed_out_whole_and_slow_ones_first_and_all_boards_to_one() -> None:
    """By itself the plugin begins with the files that have most tests."""
    config: Any = SimpleNamespace(getvalue=lambda _: ["2*popen"], option=SimpleNamespace(loadscopereorder=True))
    scheduler = pytest_xdist_make_scheduler(config, None)
    first, second = workers = [Worker(), Worker()]
    for worker in workers:
        scheduler.add_node(worker)
        scheduler.add_node_collection(worker, BOARDS + SLOW + QUICK)
    scheduler.schedule()
    assert (first.tests, second.tests) == (BOARDS + QUICK, SLOW)
