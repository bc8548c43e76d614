"""What was written down is there again, whatever a power cut left of the last line."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgekit.device.keeper.incidents.incident_file import MAX_BYTES, IncidentFile
from edgekit.schema.incident import Incident
from tests.fakes.recording import QuickFilesystem


def incident(number: int, reason: str = "it ended") -> Incident:
    return Incident(kind="restarted", number=number, application="sorter", version="1.0.0", reason=reason)


def file_at(path: Path) -> IncidentFile:
    return IncidentFile(path, QuickFilesystem())


def test_the_newest_are_told_oldest_first(tmp_path: Path) -> None:
    file = file_at(tmp_path / "incidents" / "sorter.jsonl")
    assert file.last(5) == ()
    for number in (1, 2, 3):
        file.append(incident(number))
    assert [one.number for one in file.last(2)] == [2, 3]
    assert file_at(tmp_path / "incidents" / "sorter.jsonl").last(9) == tuple(map(incident, (1, 2, 3)))


def test_of_several_lines_about_one_incident_the_last_counts(tmp_path: Path) -> None:
    file = file_at(tmp_path / "a.jsonl")
    file.append(incident(1, "once"))
    file.append(incident(1, "twice"))
    file.append(incident(2))
    assert [one.reason for one in file.last(5)] == ["twice", "it ended"]


def test_a_cut_at_any_byte_leaves_the_whole_lines_and_the_next_one_is_added(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    file = file_at(path)
    file.append(incident(1))
    first = path.stat().st_size
    file.append(incident(2))
    whole = path.read_bytes()
    for size in range(len(whole) + 1):
        path.write_bytes(whole[:size])
        known = [1] * (size >= first) + [2] * (size == len(whole))
        after = file_at(path)
        assert [one.number for one in after.last(9)] == known, size
        after.append(incident(3))
        assert [one.number for one in after.last(9)] == [*known, 3], size


@pytest.mark.parametrize("rot", [b"\x00\xff{", b'{"kind": 5}', b"[]", b"{" * 5000])
def test_a_line_that_cannot_be_read_costs_itself_alone(tmp_path: Path, rot: bytes) -> None:
    path = tmp_path / "a.jsonl"
    file_at(path).append(incident(1))
    with path.open("ab") as opened:
        opened.write(rot + b"\n")
    file = file_at(path)
    file.append(incident(2))
    assert [one.number for one in file.last(9)] == [1, 2]


def test_it_stays_small_and_keeps_the_newest(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    file = file_at(path)
    for number in range(1, 400):
        file.append(incident(number, "x" * 2000))
        assert path.stat().st_size <= MAX_BYTES
    kept = [one.number for one in file.last(1000)]
    assert kept[-1] == 399 and len(kept) >= 25
    assert kept == list(range(kept[0], 400))
