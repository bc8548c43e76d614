"""Messages that wait: in order, within their bound, over a killed process, a full disk and a damaged file."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgekit.device.runtime.sinks.outbox import Outbox

ONE = len("t") + 100 + 100
"""Bytes of one message."""


def payload(number: int) -> bytes:
    return f"{number}".zfill(100).encode()


def filled(box: Outbox, *numbers: int) -> Outbox:
    for number in numbers:
        box.put("t", payload(number))
    box.store()
    return box


def taken(box: Outbox, most: int = 1000) -> list[int]:
    return [int(message.payload) for message in box.take(most)]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "work/sink.outbox"


def test_messages_are_given_once_in_order(file: Path) -> None:
    box = filled(Outbox(file, 1 << 20), *range(5))
    assert taken(box, 2) == [0, 1]
    filled(box, 5)
    assert (taken(box), taken(box), box.waiting) == ([2, 3, 4, 5], [], 6)


def test_what_has_not_arrived_is_there_again_in_the_next_process(file: Path) -> None:
    box = filled(Outbox(file, 1 << 20), *range(5))
    box.remove([message.number for message in box.take(3)])
    box.store()
    assert box.waiting == 2
    again = Outbox(file, 1 << 20)  # the first one was never closed: as after kill -9
    filled(again)
    assert (again.waiting, taken(again)) == (2, [3, 4])


def test_a_line_that_was_empty_gives_what_comes_next(file: Path) -> None:
    box = Outbox(file, 1 << 20)
    for number in range(5):
        filled(box, number)
        (message,) = box.take(10)
        assert int(message.payload) == number
        box.remove([message.number])
    box.store()
    assert (box.waiting, box.waiting_bytes) == (0, 0)


def test_past_the_bound_the_oldest_go_but_none_that_is_under_way(file: Path) -> None:
    box = filled(Outbox(file, 10 * ONE), *range(8))
    under_way = box.take(2)
    filled(box, *range(8, 13))
    assert (box.dropped, box.waiting, box.waiting_bytes) == (3, 10, 10 * ONE)
    box.remove([message.number for message in under_way])
    assert taken(box) == [*range(5, 13)]


def test_memory_has_a_bound_of_its_own(file: Path) -> None:
    box = Outbox(file, 1 << 20, memory_bytes=4 * ONE)
    for number in range(10):
        box.put("t", payload(number))
    assert (box.waiting, box.dropped) == (4, 6)
    box.store()
    assert taken(box) == [6, 7, 8, 9]


def test_where_the_disk_cannot_be_written_messages_wait_in_memory(tmp_path: Path) -> None:
    (tmp_path / "work").write_text("a file where the folder should be")
    box = filled(Outbox(tmp_path / "work/sink.outbox", 1 << 20, memory_bytes=4 * ONE), *range(6))
    assert box.fault and (box.waiting, box.dropped) == (4, 2)
    first = box.take(2)
    assert [int(message.payload) for message in first] == [2, 3]
    (tmp_path / "work").unlink()
    filled(box, 6)
    assert (box.fault, taken(box), box.waiting) == ("", [4, 5, 6], 5)
    box.remove([message.number for message in first])
    assert box.waiting == 3


@pytest.mark.parametrize("damage", [b"no database at all" * 100, b"SQLite format 3\0" + bytes(5000)])
def test_a_damaged_file_is_begun_anew(damage: bytes, file: Path) -> None:
    file.parent.mkdir()
    file.write_bytes(damage)
    box = filled(Outbox(file, 1 << 20), 1)
    filled(box, 2)
    assert (box.fault, taken(box)) == ("", [1, 2])


def test_what_arrives_after_the_file_was_begun_anew_takes_no_other_message_off(file: Path) -> None:
    box = filled(Outbox(file, 1 << 20), 1, 2)
    under_way = box.take(2)
    assert box._database is not None
    box._database.close()  # as where its file is damaged: it raises, and is no OperationalError
    filled(box, 3)
    box.store()
    assert taken(box) == [3]
    box.remove([message.number for message in under_way])  # now they arrive
    box.store()
    assert box.waiting == 1
    again = Outbox(file, 1 << 20)
    again.store()
    assert taken(again) == [3]


def test_the_file_stays_within_its_bound(file: Path) -> None:
    box = Outbox(file, 1 << 20)
    for first in range(0, 20_000, 500):
        filled(box, *range(first, first + 500))
    assert box.waiting_bytes <= 1 << 20
    assert sum(one.stat().st_size for one in file.parent.iterdir()) < 2 << 20


def test_a_note_is_kept(file: Path) -> None:
    assert filled(Outbox(file, 1 << 20)).note("client_id", "a") == "a"
    assert filled(Outbox(file, 1 << 20)).note("client_id", "b") == "a"
