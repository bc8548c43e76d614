"""Builder devices are looked up only for an engine that is missing, and none is asked to find that out."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from edgekit.errors import EngineError, NothingSelected
from edgekit.host.catalogue.recipes import read_recipe
from edgekit.host.catalogue.targets import find_target
from edgekit.host.engine.engine import Engine
from edgekit.host.workflow.builders import find_builders
from edgekit.host.workflow.engines import do_engine_work, make_engines, plan_engine_work
from edgekit.host.workflow.workstation import Workstation
from edgekit.schema.manifest import EngineEntry
from tests.fakes.workstations import workstation_in
from tests.unit.host.workflow.test_build import RECIPE

JETSON = "jetson-orin-nano-jp62"


@pytest.fixture
def station(tmp_path: Path) -> Workstation:
    made = workstation_in(tmp_path / "home")
    return dataclasses.replace(made, settings=dataclasses.replace(made.settings, fleet_file=tmp_path / "fleet.toml"))


def test_without_a_device_nothing_is_prepared_for_it(station: Workstation) -> None:
    station.settings.fleet_file.write_text(f'[devices.gate]\naddress = "root@gate"\ntarget = "{JETSON}"\n')
    target = find_target(JETSON, station.settings)
    assert find_builders(station, target) == ()
    with pytest.raises(NothingSelected, match="there is no device 'bay'"):
        find_builders(station, target, "bay")
    with pytest.raises(EngineError, match="no builder device is named"):
        plan_engine_work(read_recipe(RECIPE), target, station)


def test_devices_are_those_of_the_target_that_are_labelled_or_the_one_that_is_named(station: Workstation) -> None:
    label = 'labels = { builder = "yes" }'
    station.settings.fleet_file.write_text(
        f"""
        [devices.bay]\naddress = "root@bay"\ntarget = "{JETSON}"\n{label}
        [devices.gate]\naddress = "root@gate"\ntarget = "{JETSON}"
        [devices.line]\naddress = "root@line"\ntarget = "rk3588-debian12"\n{label}
        """
    )
    target = find_target(JETSON, station.settings)
    assert [one.name for one in find_builders(station, target)] == ["bay"]
    assert [one.name for one in find_builders(station, target, "gate")] == ["gate"]
    work = plan_engine_work(read_recipe(RECIPE), target, station)
    assert [one.name for one in work.devices] == ["bay"]
    assert [one.needs_device for one in work.planned] == [True]


def test_engines_that_this_machine_makes_ask_for_no_device(station: Workstation) -> None:
    station.settings.fleet_file.write_text("not TOML, and nobody reads it")
    (engine,) = make_engines(read_recipe(RECIPE), find_target("virt-arm64", station.settings), station)
    assert engine.entry.runner == "onnxruntime"


def test_an_engine_that_only_a_device_could_make_is_kept_where_it_is_given(station: Workstation) -> None:
    """A release that is verified: no device compiles the same bytes twice, so its own engine stands; none is asked."""
    target = find_target(JETSON, station.settings)
    entry = EngineEntry(
        name="parts", runner="tensorrt", path="engines/parts.plan", model_sha256="1" * 64, facts={"sm": "87"}
    )
    given = Engine(entry=entry, file=station.settings.cache_dir / "parts.plan")
    work = plan_engine_work(read_recipe(RECIPE), target, station, kept={"parts": given})
    assert (work.devices, [one.needs_device for one in work.planned]) == ((), [False])
    (engine,) = do_engine_work(work, station)
    assert (engine.entry.path, engine.file, engine.entry.facts["sm"]) == (entry.path, given.file, "87")


def test_an_engine_that_this_machine_makes_is_never_kept(station: Workstation) -> None:
    entry = EngineEntry(name="parts", runner="onnxruntime", path="engines/parts.onnx", model_sha256="1" * 64, facts={})
    given = Engine(entry=entry, file=station.settings.cache_dir / "evil.onnx")
    target = find_target("virt-arm64", station.settings)
    (engine,) = do_engine_work(plan_engine_work(read_recipe(RECIPE), target, station, kept={"parts": given}), station)
    assert engine.file != given.file
