"""A worker that outlived its keeper is ended; a stranger with its number is not."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgekit.device.keeper.filesystem import Filesystem
from edgekit.device.keeper.process.orphans import Orphans
from edgekit.executor.child import Child, start_child

ENV = {"EDGEKIT_REPORT_FD": "3"}


@pytest.fixture
def worker() -> Iterator[Child]:
    child = start_child(["/bin/sleep", "30"], env=ENV, cwd="/", inherit=())
    yield child
    child.kill()
    child.reap()


@pytest.fixture
def note(tmp_path: Path) -> Path:
    return tmp_path / "sorter.json"


def test_a_noted_worker_is_ended(worker: Child, note: Path) -> None:
    Orphans(note.parent, Filesystem()).record("sorter", worker.pid)
    assert Orphans(note.parent, Filesystem()).end() == 1
    assert worker.ended()
    assert not note.exists()


def test_what_a_dead_worker_started_is_ended(note: Path) -> None:
    worker = start_child(["/bin/sh", "-c", "sleep 30 & read line"], env=ENV, cwd="/", inherit=())
    Orphans(note.parent, Filesystem()).record("sorter", worker.pid)
    worker.reap()
    assert Orphans(note.parent, Filesystem()).end() == 1


@pytest.mark.parametrize("change", [{"started": "1"}, {"boot": "another"}, {"pid": 1}, {"pid": "x"}, {"pid": None}])
def test_a_stranger_is_left_alone(worker: Child, note: Path, change: dict[str, object]) -> None:
    Orphans(note.parent, Filesystem()).record("sorter", worker.pid)
    note.write_text(json.dumps({**json.loads(note.read_text()), **change}))
    assert Orphans(note.parent, Filesystem()).end() == 0
    assert not worker.ended()


@pytest.mark.parametrize("text", ["", "{", "[]", "{}"])
def test_a_note_that_cannot_be_read_means_nothing(note: Path, text: str) -> None:
    note.write_text(text)
    assert Orphans(note.parent, Filesystem()).end() == 0
    assert Orphans(note.parent, Filesystem()).end() == 0
