"""Blobs arrive in parts, become visible only when right, and go when nobody needs them."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from edgekit.device.keeper.filesystem import Filesystem
from edgekit.device.keeper.layout import Layout
from edgekit.device.keeper.update.store import Chunk, Store
from edgekit.errors import InputError, RolloutError, TrustError
from edgekit.schema.control import MissingBlob
from edgekit.schema.manifest import FileEntry
from edgekit.trust import sha256_bytes
from tests.fakes.clock import Clock
from tests.fakes.keeper import make_layout

DATA = bytes(range(256)) * 40
SHA = sha256_bytes(DATA)


class FullDisk(Filesystem):
    """Has no room at one step."""

    def __init__(self, full_at: str) -> None:
        self._full_at = full_at

    def free_bytes(self, path: Path) -> int:
        return 100

    def extend(self, path: Path, offset: int, data: bytes) -> None:
        super().extend(path, offset, data[:7] if self._full_at == "extend" else data)
        self._step("extend")

    def rename(self, source: Path, target: Path) -> None:
        self._step("rename")
        super().rename(source, target)

    def _step(self, name: str) -> None:
        if name == self._full_at:
            raise OSError(errno.ENOSPC, "No space left on device")


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return make_layout(tmp_path)


@pytest.fixture
def store(layout: Layout) -> Store:
    return Store(layout, Filesystem(), reserve_bytes=0)


def send(store: Store, data: bytes, offset: int = 0, *, sha256: str = SHA, size: int = len(DATA)) -> None:
    store.receive(Chunk(application="sorter", sha256=sha256, size_bytes=size, offset=offset, data=data))


def entry(data: bytes = DATA, *, executable: bool = False) -> FileEntry:
    return FileEntry(path="a/b", sha256=sha256_bytes(data), bytes=len(data), executable=executable)


def test_a_blob_is_visible_when_its_last_piece_has_come(store: Store, layout: Layout) -> None:
    send(store, DATA[:1000])
    assert not layout.blob(SHA).exists()
    assert [(blob.sha256, blob.have_bytes) for blob in store.missing({SHA: len(DATA)}, "sorter")] == [(SHA, 1000)]
    send(store, DATA[1000:], 1000)
    assert layout.blob(SHA).read_bytes() == DATA
    assert layout.blob(SHA).stat().st_mode & 0o777 == 0o444
    assert store.missing({SHA: len(DATA)}, "sorter") == ()
    assert not list(layout.incoming_dir.iterdir())


def test_a_piece_that_comes_again_is_taken_again(store: Store, layout: Layout) -> None:
    send(store, DATA[:3000])
    send(store, DATA[1000:], 1000)
    assert layout.blob(SHA).read_bytes() == DATA


@pytest.mark.parametrize(("offset", "size"), [(5, 10), (0, len(DATA) + 1)])
def test_a_piece_that_leaves_a_gap_or_the_blob_is_refused(store: Store, offset: int, size: int) -> None:
    with pytest.raises(InputError):
        send(store, DATA[:size] + b"x" * (size - len(DATA)), offset)


def test_a_wrong_blob_is_thrown_away(store: Store, layout: Layout) -> None:
    with pytest.raises(TrustError):
        send(store, DATA[:-1] + b"x")
    assert not layout.blob(SHA).exists()
    assert not layout.part(SHA, "sorter").exists()


def test_a_full_disk_refuses_up_front(layout: Layout) -> None:
    with pytest.raises(RolloutError, match=r"disk full: needs 10\.0 KiB, free 100 B"):
        Store(layout, FullDisk(""), reserve_bytes=0).missing({SHA: len(DATA)}, "sorter")


@pytest.mark.parametrize("step", ["extend", "rename"])
def test_a_disk_that_fills_up_leaves_no_part(layout: Layout, step: str) -> None:
    with pytest.raises(RolloutError, match="disk full"):
        send(Store(layout, FullDisk(step), reserve_bytes=0), DATA)
    assert not list(layout.incoming_dir.iterdir())
    assert not layout.blob(SHA).exists()


def test_an_executable_is_a_file_of_its_own(store: Store) -> None:
    send(store, DATA)
    tool = store.materialise(entry(executable=True))
    plain = store.materialise(entry())
    assert tool is not None and plain is not None
    assert (tool.stat().st_mode & 0o777, plain.stat().st_mode & 0o777) == (0o555, 0o444)
    assert tool.read_bytes() == plain.read_bytes() == DATA


def test_an_empty_blob_needs_no_sending(store: Store) -> None:
    assert store.missing({sha256_bytes(b""): 0}, "sorter") == ()
    empty = store.materialise(entry(b""))
    assert empty is not None
    assert empty.read_bytes() == b""


def test_bit_rot_is_found_and_asked_for_again(store: Store, layout: Layout) -> None:
    send(store, DATA)
    layout.blob(SHA).chmod(0o644)
    layout.blob(SHA).write_bytes(b"x" + DATA[1:])
    assert store.materialise(entry()) is None
    assert [blob.sha256 for blob in store.missing({SHA: len(DATA)}, "sorter")] == [SHA]


def test_a_blob_that_a_power_cut_has_torn_is_asked_for_again(store: Store, layout: Layout) -> None:
    send(store, DATA)
    layout.blob(SHA).chmod(0o644)
    layout.blob(SHA).write_bytes(bytes(len(DATA)))
    again = Store(layout, Filesystem(), reserve_bytes=0)
    assert [blob.sha256 for blob in again.missing({SHA: len(DATA)}, "sorter")] == [SHA]
    send(again, DATA)
    assert Store(layout, Filesystem(), reserve_bytes=0).missing({SHA: len(DATA)}, "sorter") == ()


def test_a_part_that_a_power_cut_has_torn_is_no_broken_trust(store: Store, layout: Layout) -> None:
    send(store, DATA[:1000])
    layout.part(SHA, "sorter").write_bytes(bytes(1000))
    again = Store(layout, Filesystem(), reserve_bytes=0)
    with pytest.raises(RolloutError, match="damaged by a power cut"):
        send(again, DATA[1000:], 1000)
    send(again, DATA)
    assert layout.blob(SHA).read_bytes() == DATA


def test_blobs_that_no_release_links_to_are_collected(store: Store, layout: Layout, tmp_path: Path) -> None:
    send(store, DATA)
    other = b"other"
    send(store, other, sha256=sha256_bytes(other), size=len(other))
    (tmp_path / "link").hardlink_to(layout.blob(SHA))
    young = layout.part("1" * 64, "sorter")
    young.write_bytes(b"1")
    store.collect()
    assert layout.blob(SHA).exists()
    assert not layout.blob(sha256_bytes(other)).exists()
    assert young.exists()
    assert store.size_bytes == len(DATA)


def test_two_applications_may_send_the_same_blob_at_the_same_time(store: Store, layout: Layout) -> None:
    def piece(application: str, offset: int, data: bytes) -> None:
        store.receive(Chunk(application=application, sha256=SHA, size_bytes=len(DATA), offset=offset, data=data))

    piece("sorter", 0, DATA[:1000])
    piece("counter", 0, DATA[:500])
    piece("sorter", 1000, DATA[1000:2000])
    assert store.missing({SHA: len(DATA)}, "counter")[0].have_bytes == 500
    piece("sorter", 2000, DATA[2000:])
    inode = layout.blob(SHA).stat().st_ino
    piece("counter", 500, DATA[500:])
    assert layout.blob(SHA).read_bytes() == DATA
    assert layout.blob(SHA).stat().st_ino == inode, "releases that link to it go on sharing it"
    assert not list(layout.incoming_dir.iterdir())


def test_blobs_of_a_deployment_under_way_are_left_alone(store: Store, layout: Layout) -> None:
    send(store, DATA)
    store.collect({SHA})
    assert layout.blob(SHA).exists()
    store.collect()
    assert not layout.blob(SHA).exists()


def wants(store: Store, size: int = len(DATA)) -> list[MissingBlob]:
    return list(store.missing({SHA: size}, "sorter"))


def spoil(path: Path) -> None:
    path.chmod(0o644)
    path.write_bytes(bytes(path.stat().st_size))


def test_room_is_needed_for_what_is_missing_and_a_reserve(layout: Layout) -> None:
    store = Store(layout, FullDisk(""), reserve_bytes=60)
    assert wants(store, 40) == [MissingBlob(sha256=SHA, have_bytes=0)]
    with pytest.raises(RolloutError, match="disk full: needs 101 B, free 100 B"):
        wants(store, 41)
    layout.part(SHA, "sorter").write_bytes(b"ten bytes!")
    assert wants(store, 50) == [MissingBlob(sha256=SHA, have_bytes=10)]
    with pytest.raises(RolloutError, match=r"disk full: needs 16\.0 MiB, free 100 B"):
        wants(Store(layout, FullDisk("")), 1)


def test_a_full_disk_is_told_with_what_is_left_to_come(layout: Layout) -> None:
    layout.part(SHA, "sorter").write_bytes(DATA[:10_000])
    with pytest.raises(RolloutError, match="disk full: needs 240 B"):
        send(Store(layout, FullDisk("extend"), reserve_bytes=0), DATA[10_000:10_100], 10_000)


def test_a_negative_offset_is_refused(store: Store) -> None:
    with pytest.raises(InputError):
        send(store, b"x", -1)


def test_a_part_of_full_size_is_sent_anew(store: Store, layout: Layout) -> None:
    layout.part(SHA, "sorter").write_bytes(bytes(len(DATA)))
    assert wants(store) == [MissingBlob(sha256=SHA, have_bytes=0)]


def test_a_part_is_kept_for_a_day_whatever_the_wall_clock_does(layout: Layout) -> None:
    """A board without a battery for its clock jumps by years when it learns the time."""
    clock = Clock()
    store = Store(layout, Filesystem(), reserve_bytes=0, clock=clock)
    part, growing = layout.part("0" * 64, "sorter"), layout.part("1" * 64, "sorter")
    for path in (part, growing):
        path.write_bytes(b"1")
        os.utime(path, (0, 0))
    store.collect()
    clock.advance(86_300)
    growing.write_bytes(b"22")
    os.utime(growing, (0, 0))
    store.collect()
    assert part.exists() and growing.exists()
    clock.advance(200)
    store.collect()
    assert not part.exists() and growing.exists()
    clock.advance(86_500)
    store.collect()
    assert not growing.exists()


class SlowCount(Filesystem):
    """While blobs are listed, another connection changes what there is."""

    meanwhile: Callable[[], object] = staticmethod(lambda: None)

    def names(self, folder: Path | int) -> list[str]:
        found = super().names(folder)
        self.meanwhile, meanwhile = (lambda: None), self.meanwhile
        meanwhile()
        return found


def test_a_size_that_was_counted_while_it_changed_is_not_kept(layout: Layout) -> None:
    disk = SlowCount()
    store = Store(layout, disk, reserve_bytes=0)
    send(store, DATA)
    assert store.size_bytes == len(DATA)
    other = b"other" * 100
    send(store, other, sha256=sha256_bytes(other), size=len(other))
    disk.meanwhile = store.collect
    store.size_bytes  # noqa: B018  counted while all of it goes
    assert store.size_bytes == 0


def test_bit_rot_of_one_variant_is_mended_from_the_other(store: Store, layout: Layout) -> None:
    send(store, DATA)
    tool = store.materialise(entry(executable=True))
    assert tool is not None
    spoil(tool)
    again = store.materialise(entry(executable=True))
    assert again == tool and tool.read_bytes() == DATA
    spoil(layout.blob(SHA))
    assert store.materialise(entry()) == layout.blob(SHA)
    assert layout.blob(SHA).read_bytes() == DATA


def test_bit_rot_of_both_variants_takes_both_away(store: Store, layout: Layout) -> None:
    send(store, DATA)
    tool = store.materialise(entry(executable=True))
    assert tool is not None
    spoil(tool)
    spoil(layout.blob(SHA))
    assert store.materialise(entry(executable=True)) is None
    assert not layout.blob(SHA).exists() and not tool.exists()
    assert store.materialise(entry()) is None, "and there is nothing to make it from"


def test_a_mode_that_a_power_cut_took_back_is_set_again(store: Store, layout: Layout) -> None:
    send(store, DATA)
    for executable, mode in ((False, 0o444), (True, 0o555)):
        blob = store.materialise(entry(executable=executable))
        assert blob is not None
        blob.chmod(0o600)
        assert store.materialise(entry(executable=executable)) == blob
        assert blob.stat().st_mode & 0o777 == mode


def test_an_executable_alone_needs_no_sending_and_gives_the_plain_one(store: Store, layout: Layout) -> None:
    send(store, DATA)
    assert store.materialise(entry(executable=True))
    layout.blob(SHA).unlink()
    assert wants(store) == []
    plain = store.materialise(entry())
    assert plain is not None and plain.stat().st_mode & 0o777 == 0o444
    store.collect({SHA})
    assert plain.exists() and layout.blob(SHA, executable=True).exists(), "both variants are spared"


def test_a_blob_that_has_come_is_not_hashed_again_and_one_that_was_changed_is(store: Store, layout: Layout) -> None:
    send(store, DATA)
    blob = layout.blob(SHA)
    stamp = blob.stat()
    spoil(blob)
    os.utime(blob, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    assert wants(store) == [], "rot: what it had been was in memory, and is read anew after clearing out"
    assert store.materialise(entry()) == blob, "laid out without another look, as it would come from memory"
    os.utime(blob)
    assert store.materialise(entry()) is None, "it has changed"
    send(store, DATA)
    spoil(blob)
    assert len(wants(store)) == 1
    assert not blob.exists(), "a damaged blob goes"
    send(store, DATA)
    spoil(blob)
    os.utime(blob, ns=(blob.stat().st_atime_ns, blob.stat().st_mtime_ns))
    store.collect({SHA})
    assert len(wants(store)) == 1, "after clearing out nothing is taken on trust"


def test_a_blob_that_releases_link_to_is_not_believed_for_that(layout: Layout, tmp_path: Path) -> None:
    send(Store(layout, Filesystem(), reserve_bytes=0), DATA)
    (tmp_path / "link").hardlink_to(layout.blob(SHA))
    spoil(layout.blob(SHA))
    assert len(wants(Store(layout, Filesystem(), reserve_bytes=0))) == 1
    assert not layout.blob(SHA).exists()


def test_a_blob_that_was_found_whole_is_not_hashed_again(layout: Layout) -> None:
    send(Store(layout, Filesystem(), reserve_bytes=0), DATA)
    later = Store(layout, Filesystem(), reserve_bytes=0)
    assert wants(later) == []
    blob = layout.blob(SHA)
    stamp = blob.stat()
    spoil(blob)
    os.utime(blob, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    assert wants(later) == []
