"""The cache of built wheels: whole or not there, and thrown away by its last use."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from edgekit.host.wheel.cross.kept import kept_folder
from edgekit.host.wheel.cross.provenance import Provenance
from edgekit.host.wheel.cross.store import BuiltWheel, WheelStore
from edgekit.trust import sha256_file


def record(wheel: Path) -> BuiltWheel:
    return BuiltWheel(
        name="gate",
        version="1.0",
        filename=wheel.name,
        sha256=sha256_file(wheel),
        bytes=wheel.stat().st_size,
        made=Provenance(
            source="gate-1.0.tar.gz",
            source_sha256="0" * 64,
            backend="setuptools.build_meta",
            compiler="zig 0.17.1",
            runtime="libc++",
            abi="cp311-aarch64-glibc2.36",
            headers="here",
            built_with=("setuptools==84.2.1",),
        ),
        seconds=1.5,
    )


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    made = tmp_path / "gate-1.0-py3-none-any.whl"
    made.write_bytes(b"a wheel")
    return made


def test_what_is_kept_is_found_with_how_it_was_made(wheel: Path, tmp_path: Path) -> None:
    store = WheelStore(tmp_path / "wheels")
    assert store.find("key") is None
    kept = store.keep("key", wheel, record(wheel))
    assert kept.wheel.read_bytes() == b"a wheel"
    found = store.find("key")
    assert found is not None and found.record == record(wheel)
    assert [entry.key for entry in store.list()] == ["key"]


@pytest.mark.parametrize("damage", [b"", b"another", None])
def test_a_damaged_wheel_is_as_none(damage: bytes | None, wheel: Path, tmp_path: Path) -> None:
    store = WheelStore(tmp_path / "wheels")
    kept = store.keep("key", wheel, record(wheel))
    if damage is None:
        kept.wheel.unlink()
    else:
        kept.wheel.write_bytes(damage)
    assert store.find("key") is None
    assert store.keep("key", wheel, record(wheel)).wheel.read_bytes() == b"a wheel"


def test_what_another_edgekit_kept_is_made_again(wheel: Path, tmp_path: Path) -> None:
    store = WheelStore(tmp_path / "wheels")
    kept = store.keep("key", wheel, record(wheel))
    (kept.folder / "wheel.json").write_text('{"name": "gate", "abi": "of an older format"}')
    assert store.find("key") is None and store.list() == ()
    assert store.keep("key", wheel, record(wheel)).record == record(wheel)


def test_the_first_of_two_builds_stays(wheel: Path, tmp_path: Path) -> None:
    store = WheelStore(tmp_path / "wheels")
    first = store.keep("key", wheel, record(wheel))
    wheel.write_bytes(b"other bytes")
    assert store.keep("key", wheel, record(wheel)).record.sha256 == first.record.sha256


def test_what_nobody_used_goes(wheel: Path, tmp_path: Path) -> None:
    store = WheelStore(tmp_path / "wheels")
    old = store.keep("old", wheel, record(wheel))
    store.keep("new", wheel, record(wheel))
    os.utime(old.folder / "wheel.json", (1000.0, 1000.0))
    now = (tmp_path / "wheels/new/wheel.json").stat().st_mtime
    assert [kept.key for kept in store.forget(30, now)] == ["old"]
    assert [kept.key for kept in store.list()] == ["new"]


def test_a_folder_that_was_not_finished_is_not_seen_and_made_again(tmp_path: Path) -> None:
    folder = tmp_path / "kept"

    def fail(made: Path) -> None:
        (made / "half").touch()
        raise RuntimeError("cut off")

    with pytest.raises(RuntimeError):
        kept_folder(folder, fail)
    assert not folder.exists()
    folder.mkdir()  # emptied by somebody
    assert (kept_folder(folder, lambda made: (made / "whole").touch()) / "whole").exists()
    assert kept_folder(folder, fail) == folder
