"""What is removed is counted as what it took on the disk; what is written is whole."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from edgekit.host.disk import remove, size_of, write_whole


def test_what_is_removed_is_counted_and_links_lead_nowhere(tmp_path: Path) -> None:
    (tmp_path / "a/b").mkdir(parents=True)
    (tmp_path / "a/b/file").write_bytes(bytes(1000))
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept/file").write_bytes(bytes(10))
    (tmp_path / "a/link").symlink_to("../kept")
    (tmp_path / "link").symlink_to("kept")
    (tmp_path / "a/hard").hardlink_to(tmp_path / "kept/file")
    assert remove(tmp_path / "a") == 1000 + 10 // 2
    assert remove(tmp_path / "link") == len("kept")
    assert remove(tmp_path / "none") == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["kept"]


def test_holes_do_not_count(tmp_path: Path) -> None:
    with (tmp_path / "sparse").open("wb") as file:
        file.truncate(1 << 30)
        file.write(b"x")
    assert size_of(tmp_path / "sparse") < 1 << 20


def test_files_that_programs_remove_meanwhile_do_not_count(tmp_path: Path) -> None:
    kept, passing, enough = tmp_path / "kept", [tmp_path / str(number) for number in range(50)], threading.Event()
    kept.write_bytes(b"kept")

    def come_and_go() -> None:
        while not enough.is_set():
            for file in passing:
                file.touch()
            for file in passing:
                file.unlink()

    program = threading.Thread(target=come_and_go)
    program.start()
    try:
        assert {size_of(tmp_path) for _ in range(1000)} == {4}
        assert {size_of(file) for file in passing} == {0}
    finally:
        enough.set()
        program.join()


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path: Path) -> None:
    write_whole(tmp_path / "file", b"one")
    write_whole(tmp_path / "file", b"two")
    (tmp_path / "other").touch()
    assert (tmp_path / "file").stat().st_mode == (tmp_path / "other").stat().st_mode, "a lock is for all who build"
    (tmp_path / "other").unlink()
    assert (tmp_path / "file").read_bytes() == b"two"
    (tmp_path / "folder/x").mkdir(parents=True)
    with pytest.raises(OSError, match="directory"):
        write_whole(tmp_path / "folder", b"three")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder"]
