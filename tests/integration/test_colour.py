"""`edgekit colour` as a user runs it: the recipe's own pictures through its own stages, right and wrong."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import cv2
import pytest

from tests.integration.test_golden import ROOT, edgekit

pytestmark = pytest.mark.integration


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    return Path(shutil.copytree(ROOT / "recipes" / "sorting-line", tmp_path / "line"))


def test_wrong_colours_cost_what_the_colour_stage_decides(recipe: Path) -> None:
    done = edgekit(recipe.parent, "colour", "line", "--most", "8", "--picture", "costs.jpg", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["pictures"], found["source"]) == (8, "belt is BT.709 limited")
    assert found["stages"] == ["scale", "see", "find", "name"]
    costs = {one["mistake"]: one for one in found["mistakes"]}
    assert list(costs) == ["order", "matrix-601", "matrix-2020", "range-full", "siting"]
    for one in costs.values():
        assert one["kept"] + one["renamed"] + one["lost"] == found["detections"] > 40
    assert costs["order"]["wrong_percent"] > 50 > costs["matrix-2020"]["wrong_percent"]
    assert costs["order"]["renamed"] > costs["order"]["lost"], "red parts are called blue"
    assert cv2.imread(str(recipe.parent / found["picture"])).shape == (3 * 386, 1280, 3)


def test_a_recipe_that_names_no_pictures_takes_some_of_its_clip(recipe: Path) -> None:
    shutil.rmtree(recipe / "golden")
    shutil.rmtree(recipe / "calibration")
    file = recipe / "recipe.toml"
    text, _, rest = file.read_text().partition("[golden]")
    lines = [line for line in text.splitlines() if not line.startswith(("calibration", "precision", "quantisation"))]
    file.write_text("\n".join([*lines, "[python]" + rest.partition("[python]")[2]]))
    done = edgekit(recipe.parent, "colour", "line", "--most", "3")
    assert done.returncode == 0, done.stderr
    assert "detections in 3 pictures with the right colours: belt is BT.709 limited" in done.stdout
    assert (recipe.parent / "out" / "sorting-line-colour.png").is_file()


def test_a_file_of_no_kind_is_refused_before_anything_runs(recipe: Path) -> None:
    done = edgekit(recipe.parent, "colour", "line", "--picture", "costs.pdf")
    assert done.returncode == 2 and "costs.pdf names no kind of picture" in done.stderr
    assert "running" not in done.stderr and ".jpg" in done.stderr
