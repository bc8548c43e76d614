"""Lines are kept, cut and passed on."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from edgekit.device.keeper.filesystem import Filesystem
from edgekit.device.keeper.process.journal import (
    ALL_KEPT_BYTES,
    KEPT_BYTES,
    KEPT_LINES,
    MAX_FILE_BYTES,
    MAX_LINE_BYTES,
    Journal,
    LineCutter,
    stderr_sink,
)


def test_only_the_last_lines_are_kept() -> None:
    passed: list[bytes] = []
    journal = Journal(passed.append, lambda: 7.0, kept=3)
    for number in range(5):
        journal.write(f"line {number}")
    assert [line.text for line in journal.tail(10)] == ["line 2", "line 3", "line 4"]
    assert [line.number for line in journal.tail(10, after=4)] == [5]
    assert (journal.tail(0), len(journal.tail(1)), journal.tail(1)[0].at_s) == ((), 1, 7.0)
    assert passed[0] == b"line 0\n"


def test_one_application_that_writes_much_pushes_out_no_others_lines() -> None:
    journal = Journal(lambda data: None, lambda: 0.0, kept=3)
    journal.write("keeper: ready")
    journal.write("one", "sorter")
    for number in range(5):
        journal.write(f"flood {number}", "counter")
    journal.write("two", "sorter")
    assert [line.text for line in journal.tail(9, application="sorter")] == ["one", "two"]
    assert [line.text for line in journal.tail(4)] == ["flood 2", "flood 3", "flood 4", "two"]
    assert [line.application for line in journal.tail(9)] == ["", "sorter", *["counter"] * 3, "sorter"]
    journal.forget("counter")
    assert journal.tail(9, application="counter") == ()
    assert len(journal.tail(9)) == 3


def test_long_lines_do_not_make_the_keeper_grow() -> None:
    """Python keeps a text with one such letter in four bytes a letter."""
    journal = Journal(lambda data: None, lambda: 0.0)
    for number in range(3000):
        journal.write(f"{number} 🎥 {'x' * 4000}", "sorter")
    kept = journal.tail(3000)
    assert KEPT_BYTES * 0.9 < sum(sys.getsizeof(line.text) + 200 for line in kept) <= KEPT_BYTES
    assert [line.number for line in kept] == list(range(3001 - len(kept), 3001)), "the latest"
    for _ in range(3000):
        journal.write("short", "sorter")
    assert len(journal.tail(3000)) == KEPT_LINES


def test_many_applications_that_write_much_keep_fewer_lines_each_and_a_quiet_one_keeps_its_own() -> None:
    journal = Journal(lambda data: None, lambda: 0.0)
    journal.write("quiet", "quiet")
    for _ in range(600):
        for number in range(10):
            journal.write("x" * 4000, f"loud-{number}")
    held = {name: journal.tail(9999, application=name) for name in ("quiet", *(f"loud-{n}" for n in range(10)))}
    assert sum(sys.getsizeof(line.text) + 200 for lines in held.values() for line in lines) <= ALL_KEPT_BYTES
    assert len(held.pop("quiet")) == 1
    assert min(map(len, held.values())) > 0.9 * max(map(len, held.values()))


def test_a_long_line_is_cut() -> None:
    journal = Journal(lambda data: None, lambda: 0.0)
    journal.write("ä" * MAX_LINE_BYTES)
    assert journal.tail(1)[0].text == "ä" * (MAX_LINE_BYTES // 2) + " ..."


def test_waiting_ends_with_a_line_or_with_the_time() -> None:
    journal = Journal(lambda data: None, lambda: 0.0)
    assert not journal.wait(0, 0.01)
    journal.write("x")
    assert journal.wait(0, 0.01)


def test_lines_are_put_together_and_bounded() -> None:
    cutter = LineCutter(10)
    assert cutter.feed(b"one\ntw") == [b"one"]
    assert cutter.feed(b"o\n") == [b"two"]
    assert cutter.feed(b"x" * 11) == [b"x" * 11]
    assert cutter.feed(b"rest") == []
    assert (cutter.flush(), cutter.flush()) == ([b"rest"], [])


def test_of_very_many_lines_the_last_ones_come_and_the_others_are_counted() -> None:
    cutter = LineCutter(10, most=3)
    assert cutter.feed(b"1\n2\n3\n4") == [b"1", b"2", b"3"]
    assert cutter.left_out() == 0
    assert cutter.feed(b"\n5\n6\n7\n8\n9") == [b"6", b"7", b"8"]
    assert (cutter.left_out(), cutter.left_out()) == (2, 0)
    assert cutter.flush() == [b"9"]


def test_a_log_file_stays_small(tmp_path: Path) -> None:
    log = tmp_path / "keeper.log"
    fd = os.open(log, os.O_RDWR | os.O_CREAT | os.O_APPEND)
    write = stderr_sink(fd, tmp_path / "keeper.log.1", Filesystem())
    for _ in range(MAX_FILE_BYTES // 100_000 + 2):
        write(b"x" * 100_000)
    os.close(fd)
    assert log.stat().st_size < 200_001
    assert (tmp_path / "keeper.log.1").stat().st_size > MAX_FILE_BYTES


def test_what_a_terminal_would_obey_is_in_no_line() -> None:
    passed: list[bytes] = []
    journal = Journal(passed.append, lambda: 0.0)
    journal.write("\x1b]0;mine\x07\x1b[2Jall \x1b[32mgood\x1b[0m\x07\u202e")
    assert journal.tail(1)[0].text == "all good"
    assert passed == [b"all good\n"]
