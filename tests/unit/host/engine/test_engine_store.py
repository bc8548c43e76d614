"""Engines stay under their key, whole or not at all."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from edgekit.host.engine.record import EngineRecord, PlacedOperator
from edgekit.host.engine.store import EngineStore
from edgekit.host.engine.verify.agreement import Agreement
from edgekit.schema.reader import to_json
from edgekit.trust import sha256_bytes
from tests.fakes.damage import DAMAGES, REPLACED
from tests.fakes.disguise import disguise

RECORD = EngineRecord(
    model="parts",
    kind="rknn",
    target="rk3588-debian12",
    filename="parts.rknn",
    sha256=sha256_bytes(b"engine"),
    bytes=6,
    facts={"toolkit": "2.3.2"},
    agreement=(Agreement(output="heat", frames=1, cosine_min=1.0, cosine_mean=1.0, max_abs=0.0),),
    layers=(PlacedOperator(kind="Conv", name="conv1", place="NPU", dtype="INT8"),),
    warnings=("w",),
    seconds=1.0,
    peak_bytes=1,
)
ANSWERS = {"heat": np.ones((1, 2), np.float32)}


def test_what_is_kept_is_found(tmp_path):
    store = EngineStore(tmp_path)
    assert store.find("k") is None and store.list() == ()
    kept = store.add("k", b"engine", RECORD, ANSWERS, ANSWERS)
    assert kept.file.read_bytes() == b"engine" and kept.record == RECORD
    again = store.find("k")
    with np.load(kept.answers) as arrays:
        np.testing.assert_array_equal(arrays["output:heat"], ANSWERS["heat"])
    assert again is not None and again.record == RECORD and again.file == kept.file
    assert [one.key for one in store.list()] == ["k"]
    (tmp_path / "copy").write_bytes(b"engine")
    (tmp_path / "other").write_bytes(b"Engine")
    assert store.find_by_file(tmp_path / "copy").key == "k"
    assert store.find_by_file(tmp_path / "other") is None


def test_the_first_one_stays(tmp_path):
    store = EngineStore(tmp_path)
    store.add("k", b"engine", RECORD, ANSWERS, ANSWERS)
    other = dataclasses.replace(RECORD, sha256=sha256_bytes(b"other"))
    assert store.add("k", b"other", other, ANSWERS, ANSWERS).record == RECORD
    assert [path.name for path in tmp_path.glob("engines/[!.]*")] == ["k"]


def test_a_damaged_engine_is_thrown_away(tmp_path):
    store = EngineStore(tmp_path)
    store.add("k", b"engine", RECORD, ANSWERS, ANSWERS).file.write_bytes(b"engime")
    assert store.find("k") is None
    assert not (tmp_path / "engines/k").exists()
    assert store.add("k", b"engine", RECORD, ANSWERS, ANSWERS).file.read_bytes() == b"engine"


def test_rubbish_beside_it_is_passed_over(tmp_path):
    (tmp_path / "engines/x/files").mkdir(parents=True)
    (tmp_path / "engines/x/files/engine.json").write_text("{")
    (tmp_path / "engines/file").write_text("")
    assert EngineStore(tmp_path).list() == ()


_DAMAGES = {**DAMAGES, **REPLACED}


@pytest.mark.parametrize("file", ["engine.json", "answers.npz", "expected.npz", "parts.rknn"])
@pytest.mark.parametrize("name", _DAMAGES)
def test_damage_is_made_again_and_does_not_hold_up_a_listing(file: str, name: str, tmp_path: Path) -> None:
    store = EngineStore(tmp_path)
    folder = store.add("k", b"engine", RECORD, ANSWERS, ANSWERS).folder
    _DAMAGES[name](folder / file)
    store.list()
    assert store.find("k") is None
    assert store.add("k", b"engine", RECORD, ANSWERS, ANSWERS).record == RECORD
    found = store.find("k")
    assert found is not None and found.file.read_bytes() == b"engine" and not found.file.is_symlink()


def test_a_record_that_names_a_file_outside_is_thrown_away(tmp_path: Path) -> None:
    """With all that the cache has noted of it changed alike."""
    store = EngineStore(tmp_path)
    folder = store.add("k", b"engine", RECORD, ANSWERS, ANSWERS).folder
    (tmp_path / "secret").write_bytes(b"engine")
    outside = dataclasses.replace(RECORD, filename="../../../secret")
    (folder / "engine.json").write_bytes(to_json(outside))
    disguise(folder.parent)
    assert store.find("k") is None
    assert store.add("k", b"engine", RECORD, ANSWERS, ANSWERS).record == RECORD


def test_timings(tmp_path: Path) -> None:
    store = EngineStore(tmp_path)
    assert store.timings("orin") == b""
    store.save_timings("orin", b"times")
    assert store.timings("orin") == b"times"
