"""The cache of built wheels: whole or not there."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from edgekit.host.cache import Cache
from edgekit.host.wheel.cross.provenance import Provenance
from edgekit.host.wheel.cross.store import BuiltWheel, WheelStore
from edgekit.schema.reader import to_json
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
    kept = store.put("key", wheel, record(wheel))
    assert kept.wheel.read_bytes() == b"a wheel"
    found = store.find("key")
    assert found is not None and found.record == record(wheel)
    assert [entry.key for entry in store.list()] == ["key"]


@pytest.mark.parametrize("damage", [b"", b"another", None])
def test_a_damaged_wheel_is_as_none(damage: bytes | None, wheel: Path, tmp_path: Path) -> None:
    store = WheelStore(tmp_path / "wheels")
    kept = store.put("key", wheel, record(wheel))
    if damage is None:
        kept.wheel.unlink()
    else:
        kept.wheel.write_bytes(damage)
    assert store.find("key") is None
    assert store.put("key", wheel, record(wheel)).wheel.read_bytes() == b"a wheel"


def test_what_another_edgekit_kept_is_made_again(wheel: Path, tmp_path: Path) -> None:
    store = WheelStore(tmp_path / "wheels")
    kept = store.put("key", wheel, record(wheel))
    (kept.folder / "wheel.json").write_text('{"name": "gate", "abi": "of an older format"}')
    assert store.find("key") is None and store.list() == ()
    assert store.put("key", wheel, record(wheel)).record == record(wheel)


def test_the_first_of_two_builds_stays(wheel: Path, tmp_path: Path) -> None:
    store = WheelStore(tmp_path / "wheels")
    first = store.put("key", wheel, record(wheel))
    wheel.write_bytes(b"other bytes")
    assert store.put("key", wheel, record(wheel)).record.sha256 == first.record.sha256


def test_a_record_that_leads_elsewhere_is_not_obeyed(wheel: Path, tmp_path: Path) -> None:
    store, outside = WheelStore(tmp_path / "wheels"), tmp_path / "outside.whl"
    outside.write_bytes(b"a wheel")

    def forge(folder: Path) -> None:
        (folder / "wheel.json").write_bytes(
            to_json(dataclasses.replace(record(wheel), filename="../../../outside.whl"))
        )

    Cache(tmp_path / "wheels").put("key", forge)
    assert store.find("key") is None
    assert store.put("key", wheel, record(wheel)).wheel.name == wheel.name
