"""Golden answers are found, drawn, written and held against engines without a terminal."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from edgekit.errors import EngineError, InputError
from edgekit.host.catalogue.recipes import read_recipe
from edgekit.host.catalogue.targets import find_target
from edgekit.host.rehearsal import Packages
from edgekit.host.release.plan import plan_worker
from edgekit.host.workflow.engines import make_engines
from edgekit.host.workflow.golden import GoldenOptions, find_golden
from edgekit.host.workflow.rehearse import rehearse
from edgekit.host.workflow.workstation import Workstation
from tests.fakes.workstations import workstation_in
from tests.fakes.yolo_recipe import write_recipe

GOLDEN = """
[golden]
frames = ["calibration/00.png", "calibration/01.png"]
expected = "golden/expected.json"
"""


@pytest.fixture
def station(tmp_path: Path) -> Workstation:
    return workstation_in(tmp_path / "home")


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    folder = write_recipe(tmp_path / "recipe", pictures=3)
    file = folder / "recipe.toml"
    file.write_text(file.read_text().replace('precision = "int8"', 'precision = "float32"') + GOLDEN)
    return folder


def rehearsed(recipe: Path, station: Workstation) -> tuple[str, ...]:
    """What a build finds when it tries the release."""
    folder, target = read_recipe(recipe), find_target("host", station.settings)
    engines = make_engines(folder, target, station)
    plan = plan_worker(folder.recipe, target, [engine.entry for engine in engines], has_app=False)
    nothing = Packages(folder=recipe / "calibration", native=False)
    return rehearse(folder, plan, engines, nothing, station)


def test_answers_are_found_written_checked_and_what_a_build_expects(
    recipe: Path, station: Workstation, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    pictures, expected = tmp_path / "pictures", recipe / "golden/expected.json"
    seen = find_golden(recipe, GoldenOptions(pictures=pictures), station)
    assert [len(one.found) > 0 for one in seen.frames] == [True, True]
    assert not seen.written and not expected.exists()
    assert all(seen.picture(one.frame).read_bytes().startswith(b"\x89PNG") for one in seen.frames)
    with pytest.raises(EngineError, match="in 2 of 2 frames"):
        find_golden(recipe, GoldenOptions(pictures=pictures, check=True), station)
    assert find_golden(recipe, GoldenOptions(pictures=pictures, write=True), station).written
    again = find_golden(recipe, GoldenOptions(pictures=pictures, check=True, target="host"), station)
    assert not any(one.changes for one in again.frames)
    assert again.engine_differences == ()
    (note,) = rehearsed(recipe, station)
    assert note == "2 golden frames as expected, within 2 px and 0.05: scale, see, find"
    answers = json.loads(expected.read_text())
    answers["01.png"][0]["x_px"] += 5
    expected.write_text(json.dumps(answers))
    with pytest.raises(EngineError, match=r"golden frames give other answers: 01\.png"):
        rehearsed(recipe, station)
    assert capfd.readouterr() == ("", "")


def test_options_that_contradict_each_other_or_the_recipe(recipe: Path, station: Workstation) -> None:
    with pytest.raises(InputError, match="exclude each other"):
        find_golden(recipe, GoldenOptions(write=True, check=True), station)
    with pytest.raises(InputError, match="--frame is for a recipe without golden frames"):
        find_golden(recipe, GoldenOptions(frames=(1,)), station)
    file = recipe / "recipe.toml"
    file.write_text(file.read_text().replace(GOLDEN, ""))
    with pytest.raises(InputError, match="this recipe has none"):
        find_golden(recipe, GoldenOptions(target="virt-arm64"), station)
