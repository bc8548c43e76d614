"""A state is saved where nothing else can be: in room that is kept for it."""

from __future__ import annotations

from pathlib import Path

from edgekit.device.keeper.update.activation import Activate, SavedState, load_state
from edgekit.device.keeper.update.reserve import RESERVE_BYTES, DiskReserve
from edgekit.schema.control import ReleaseRef
from tests.fakes.full_disk import FullFilesystem

CANDIDATE = Activate(candidate=ReleaseRef(digest="ab" * 32, application="sorter", version="1.0.0", signer="ann"))


def kept(tmp_path: Path) -> tuple[FullFilesystem, DiskReserve, Path]:
    disk = FullFilesystem()
    reserve = DiskReserve(disk, tmp_path / "reserve")
    disk.full = False
    reserve.keep()
    disk.full = True
    assert (tmp_path / "reserve").stat().st_blocks * 512 >= RESERVE_BYTES
    (tmp_path / "sorter").mkdir()
    return disk, reserve, tmp_path / "sorter/state.json"


def test_a_full_disk_takes_a_state_and_has_its_reserve_back_when_there_is_room(tmp_path: Path) -> None:
    disk, reserve, path = kept(tmp_path)
    saved = SavedState(path, disk, 0.0, reserve)
    assert saved.apply(CANDIDATE) == ""
    assert load_state(path, disk, 0.0).candidate == CANDIDATE.candidate or saved.state.phase == "activating"
    assert b'"activating"' in path.read_bytes()
    assert (tmp_path / "reserve").stat().st_size == 0
    disk.full = False
    reserve.renew()
    assert (tmp_path / "reserve").stat().st_size == RESERVE_BYTES


def test_what_is_left_of_it_does_for_further_states(tmp_path: Path) -> None:
    """A stop that is followed by a start: with the second one lost, nothing ran any more after a restart."""
    disk, reserve, path = kept(tmp_path)
    disk.left = RESERVE_BYTES - 8192
    for number in range(3):
        assert reserve.replace(path, b"state %d" % number)
        assert path.read_bytes() == b"state %d" % number
        disk.left -= 4096
    disk.left = 0
    assert reserve.replace(path, b"the last") and not reserve.replace(path, b"one too many")


def test_without_a_reserve_it_says_that_the_disk_is_full(tmp_path: Path) -> None:
    disk = FullFilesystem()
    assert not DiskReserve(disk, tmp_path / "reserve").replace(tmp_path / "state.json", b"x")


def test_a_reserve_with_two_names_is_a_state_and_left_alone(tmp_path: Path) -> None:
    """What a power cut between two folders may leave."""
    disk, reserve, path = kept(tmp_path)
    path.hardlink_to(tmp_path / "reserve")
    assert not reserve.replace(path, b"new")
    assert path.stat().st_size == RESERVE_BYTES
    disk.full = False
    reserve.keep()
    assert (tmp_path / "reserve").stat().st_nlink == 1
