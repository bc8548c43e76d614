"""What goes wrong is remembered: bounded, without waiting, and whatever the disk does."""

from __future__ import annotations

import errno
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from edgekit.device.keeper.filesystem import Filesystem
from edgekit.device.keeper.incidents.board_watch import ClockWatch
from edgekit.device.keeper.incidents.recorder import IncidentRecorder
from edgekit.device.keeper.process.journal import Journal
from edgekit.schema.incident import MAX_LINES, MAX_TEXT, Incident
from tests.fakes.clock import Clock
from tests.fakes.eventually import eventually
from tests.fakes.keeper import make_layout
from tests.fakes.recording import QuickFilesystem


class BrokenDisk(QuickFilesystem):
    """A disk below a folder that takes nothing."""

    def __init__(self, folder: Path, error: int) -> None:
        super().__init__()
        self.folder, self.error = folder, error

    def extend(self, path: Path, offset: int, data: bytes) -> None:
        self._refuse(path)
        super().extend(path, offset, data)

    def make_folder(self, path: Path, mode: int = 0o777) -> None:
        self._refuse(path)
        super().make_folder(path, mode)

    def _refuse(self, path: Path) -> None:
        if self.error and path.is_relative_to(self.folder):
            raise OSError(self.error, "refused", str(path))


class Books:
    """A recorder below a prefix, flushed by hand."""

    def __init__(self, root: Path, disk: Filesystem | None = None) -> None:
        self.layout = make_layout(root)
        for name in ("sorter", "counter"):
            self.layout.application(name).mkdir(exist_ok=True)
        self.clock = Clock()
        self.ahead_s = 0.0
        self.watch = ClockWatch(self.clock, lambda: 77.0 + self.clock() + self.ahead_s, lambda: 0)
        self.lines: list[str] = []
        journal = Journal(lambda data: self.lines.append(data.decode().strip()), lambda: 0.0)
        self.recorder = IncidentRecorder(self.layout, disk or QuickFilesystem(), journal, self.clock, self.watch)

    def note(self, reason: str, application: str = "sorter", **more: object) -> None:
        fields: dict[str, object] = {"kind": "rolled_back", "version": "1.0.0", **more}
        self.recorder.record(Incident(application=application, reason=reason, **fields))  # type: ignore[arg-type]
        self.recorder.flush()

    def told(self, application: str = "sorter") -> list[str]:
        return [one.reason for one in self.recorder.told(application)]


@pytest.fixture
def books(tmp_path: Path) -> Books:
    return Books(tmp_path)


def test_each_application_has_its_own_and_the_boards_are_for_all(books: Books, tmp_path: Path) -> None:
    books.note("one")
    books.note("two", "counter")
    books.note("the clock jumped", "", kind="clock")
    assert books.told("sorter") == ["one", "the clock jumped"]
    assert books.told("counter") == ["two", "the clock jumped"]
    assert books.told("") == ["one", "two", "the clock jumped"]
    again = Books(tmp_path)
    assert again.told("") == ["one", "two", "the clock jumped"]
    again.note("three")
    assert [one.number for one in again.recorder.told("")] == [1, 2, 3, 4]
    assert again.recorder.told("")[-1].at_s == 1077.0


def test_what_waits_to_be_written_is_told_as_well(books: Books) -> None:
    books.note("written")
    books.recorder.record(Incident(kind="restarted", application="sorter", reason="waits"))
    assert books.told() == ["written", "waits"]


def test_the_same_over_and_over_is_one_incident_and_few_writes(books: Books) -> None:
    for number in range(1, 101):
        books.note(f"exited with code 3 after {number} s", kind="restarted")
    (one,) = books.recorder.told("sorter")
    assert (one.count, one.reason) == (100, "exited with code 3 after 100 s")
    assert len((books.layout.incidents_dir / "sorter.jsonl").read_bytes().splitlines()) == 7
    again = Books(books.layout.prefix)
    again.note("exited with code 3 after 5 s", kind="restarted")
    assert again.recorder.told("sorter")[-1].count == 65


def test_that_it_became_a_crash_loop_outlives_the_power(books: Books) -> None:
    """It does with the third end, and counts of one, two and four are written for their own sake."""
    for ends in range(1, 4):
        seen = Incident(kind="restarted", application="sorter", reason="fell", figures={"quick_ends": float(ends)})
        books.recorder.record(seen)
        books.recorder.flush()
    (found,) = Books(books.layout.prefix).recorder.told("sorter")
    assert (found.count, found.figures["quick_ends"]) == (3, 3.0)


def test_jumps_of_the_clock_count_each(books: Books) -> None:
    for _ in range(3):
        books.note("the clock jumped", "", kind="clock")
    assert len(books.recorder.told("")) == 3


def test_who_is_refused_all_the_time_wears_no_disk_out(books: Books) -> None:
    for number in range(200):
        books.note(f"refused {'x' * number}", kind="refused")
    lines = (books.layout.incidents_dir / "sorter.jsonl").read_bytes().splitlines()
    assert len(lines) == 30
    assert books.told()[-1] == f"refused {'x' * 199}"
    books.clock.advance(601)
    books.note("later", kind="refused")
    assert len((books.layout.incidents_dir / "sorter.jsonl").read_bytes().splitlines()) == 31


def test_names_that_clients_invent_make_no_files(books: Books) -> None:
    for name in ("invented", "another"):
        books.note("refused", name, kind="refused")
    assert [path.name for path in books.layout.incidents_dir.iterdir()] == ["_board.jsonl"]
    assert books.told("invented") == ["refused"]
    assert books.told("sorter") == []


def test_texts_are_short_and_plain(books: Books) -> None:
    books.note("a" * 5000 + "\x1b[2J", log=tuple(f"\x1b]0;t\x07{n}" for n in range(50)), probes=("\x1b[1mp",) * 50)
    (one,) = books.recorder.told("sorter")
    assert len(one.reason) <= MAX_TEXT + 4 and "\x1b" not in one.reason
    assert one.log == tuple(str(number) for number in range(50 - MAX_LINES, 50))
    assert set(one.probes) == {"p"}


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EROFS, errno.EIO])
def test_a_disk_that_takes_nothing_leaves_it_in_run_and_says_so_once(tmp_path: Path, error: int) -> None:
    layout = make_layout(tmp_path)
    disk = BrokenDisk(layout.state_dir, error)
    books = Books(tmp_path, disk)
    books.note("one")
    books.note("two")
    assert books.told() == ["one", "two"]
    assert Books(tmp_path).told() == ["one", "two"], "the next keeper reads it in /run"
    assert len([line for line in books.lines if "cannot be recorded on disk" in line]) == 1
    disk.error = 0
    books.note("three")
    assert Books(tmp_path).told() == ["one", "two", "three"]


def test_where_nothing_can_be_written_at_all_it_is_in_memory(tmp_path: Path) -> None:
    books = Books(tmp_path, BrokenDisk(tmp_path, errno.EROFS))
    books.note("one")
    assert books.told() == ["one"]


def test_a_removed_application_is_forgotten(books: Books) -> None:
    books.note("one")
    books.note("two", "counter")
    books.recorder.forget("sorter")
    books.recorder.flush()
    assert books.told("sorter") == []
    assert books.told("counter") == ["two"]


def test_a_disk_that_hangs_holds_nobody_up(tmp_path: Path) -> None:
    hanging, go = threading.Event(), threading.Event()

    class HangingDisk(QuickFilesystem):
        def sync_file(self, path: Path) -> None:
            hanging.set()
            go.wait()

    books = Books(tmp_path, HangingDisk())
    books.recorder.start(lambda: None, lambda: None)
    books.recorder.record(Incident(kind="restarted", application="sorter", reason="one"))
    assert hanging.wait(60)
    for number in range(1000):  # neither does it wait, nor does it grow
        books.recorder.record(Incident(kind="restarted", application="sorter", reason="x" * (number + 1)))
    assert len(books.told()) == 32
    go.set()
    books.recorder.close()


def test_its_own_thread_writes_the_first_and_the_last_word(books: Books) -> None:
    done: list[str] = []
    first: Callable[[], Incident | None] = lambda: Incident(kind="power", reason="the power went")  # noqa: E731
    books.recorder.start(first, lambda: done.append("end"))
    books.recorder.record(Incident(kind="restarted", application="sorter", reason="one"))
    eventually((books.layout.incidents_dir / "sorter.jsonl").exists)
    books.recorder.close()
    assert done == ["end"]
    assert Books(books.layout.prefix).told() == ["the power went", "one"]


def test_a_jump_of_the_clock_comes_before_what_is_recorded_after_it(books: Books) -> None:
    books.ahead_s = 1e8
    books.note("refused", kind="refused")
    assert [one.kind for one in books.recorder.told("sorter")] == ["clock", "refused"]
    books.recorder.look()
    books.ahead_s = 0.0
    books.recorder.look()
    books.recorder.flush()
    assert [one.kind for one in books.recorder.told("")] == ["clock", "refused", "clock"]
