"""Engine files are looked at and checked without a terminal."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgekit.errors import InputError, NothingSelected
from edgekit.host.catalogue.recipes import read_recipe
from edgekit.host.catalogue.targets import find_target
from edgekit.host.engine.record import EngineRecord, PlacedOperator
from edgekit.host.workflow.engine_cache import engine_store, show_engine, verify_engines
from edgekit.host.workflow.engines import make_engines
from edgekit.trust import sha256_bytes
from tests.fakes.workstations import workstation_in
from tests.fakes.yolo_recipe import write_recipe

ENGINE = Path(__file__).parents[3] / "fakes/rknn/tiny-float16.rknn"


def test_a_file_that_nobody_compiled_here(tmp_path: Path) -> None:
    station = workstation_in(tmp_path)
    settings = station.settings
    shown = show_engine(ENGINE, settings, station.executor)
    assert (shown.kind, shown.record) == ("rknn", None)
    with pytest.raises(NothingSelected, match=r"tiny-float16\.rknn was not compiled here"):
        verify_engines([ENGINE], settings)
    with pytest.raises(NothingSelected, match="there is no file") as caught:
        verify_engines([tmp_path / "none"], settings)
    assert "engine show" not in caught.value.hint  # it could show nothing either
    (tmp_path / "x.rknn").write_bytes(ENGINE.read_bytes()[:5000])
    with pytest.raises(InputError, match="cut short"):
        show_engine(tmp_path / "x.rknn", settings, station.executor)


def test_an_engine_that_was_made_here_tells_how(tmp_path: Path) -> None:
    station, data = workstation_in(tmp_path), ENGINE.read_bytes()
    record = EngineRecord(
        model="tiny",
        kind="rknn",
        target="rk3588-debian12",
        filename="tiny.rknn",
        sha256=sha256_bytes(data),
        bytes=len(data),
        facts={},
        agreement=(),
        layers=(PlacedOperator(kind="Conv", name="conv1", place="NPU", dtype="INT8"),),
        warnings=(),
        seconds=1.0,
        peak_bytes=1,
    )
    cached = engine_store(station.settings).add("k", data, record, {}, {})
    for file in (ENGINE, cached.file):
        assert show_engine(file, station.settings, station.executor).record == record


def test_damage_is_found(tmp_path: Path) -> None:
    station = workstation_in(tmp_path / "home")
    folder = read_recipe(write_recipe(tmp_path / "recipe", 'split = "auto"', pictures=2))
    (engine,) = make_engines(folder, find_target("virt-arm64", station.settings), station)
    assert not engine.from_cache
    (whole,) = verify_engines([], station.settings)
    (same,) = verify_engines([engine.file], station.settings)
    assert (whole.fault, same.fault, same.engine.key) == ("", "", whole.engine.key)
    engine.file.write_bytes(engine.file.read_bytes()[:-1])
    assert [bool(one.fault) for one in verify_engines([], station.settings)] == [True]
