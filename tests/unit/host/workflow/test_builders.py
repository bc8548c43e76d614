"""Builder devices are looked up only for an engine that is missing, and none is asked to find that out."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from edgekit.errors import EngineError, NothingSelected
from edgekit.host.catalogue.recipes import read_recipe
from edgekit.host.catalogue.targets import find_target
from edgekit.host.workflow.builders import find_builders
from edgekit.host.workflow.engines import make_engines, plan_engine_work
from edgekit.host.workflow.workstation import Workstation
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
