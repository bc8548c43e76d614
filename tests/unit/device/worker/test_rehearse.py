"""Golden frames with answers that were recorded elsewhere."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from edgekit.device.image.frames import RgbImage
from edgekit.device.runner import load
from edgekit.device.worker.item import Item
from edgekit.device.worker.rehearse import Recorded, rehearse
from edgekit.device.worker.stages import StageContext
from edgekit.device.worker.stages.preprocess import Preprocess
from edgekit.errors import InputError
from edgekit.host.catalogue import find_target
from edgekit.host.recipes import read_recipe
from edgekit.host.release.plan import plan_worker
from edgekit.host.settings import settings_from
from edgekit.schema.manifest import EngineEntry
from edgekit.schema.plan import EnginePlan
from edgekit.schema.reader import to_json

ROOT = Path(__file__).parents[4]
RECIPE = read_recipe(ROOT / "recipes" / "sorting-line")
MODEL = RECIPE.recipe.models["parts"]


def float_answers() -> dict[str, np.ndarray]:
    """What the float model answers on the recipe's golden frames."""
    runner = load(EnginePlan(runner="onnxruntime", path=MODEL.onnx, input=MODEL.input, threads=1), RECIPE.folder)
    found = []
    for frame in RECIPE.recipe.golden.frames:
        image = RgbImage(pixels=cv2.imread(str(RECIPE.file(frame))), order="BGR")
        context = StageContext(
            name="scale", options={}, frames=image.spec, fps=1.0, release=ROOT, runner=None, contract=MODEL.input
        )
        item = Item(source="golden", index=0, loop=0, captured_s=0.0, image=image)
        found.append(runner.infer(Preprocess(context)(item).tensor))
    return {f"output:{name}": np.stack([one[name] for one in found]) for name in found[0]}


@pytest.fixture(scope="module")
def answers() -> dict[str, np.ndarray]:
    return float_answers()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A release's folder for an RK3588, without engines."""
    entry = EngineEntry(name="parts", runner="rknn", path="engines/parts.rknn", model_sha256="", facts={})
    target = find_target("rk3588-debian12", settings_from({"HOME": "/nonexistent"}, ROOT / "edgekit"))
    plan = plan_worker(RECIPE.recipe, target, [entry], has_app=True)
    (tmp_path / "plan.json").write_bytes(to_json(plan))
    shutil.copytree(RECIPE.folder / "golden", tmp_path / "recipe/golden")
    (tmp_path / "answers").mkdir()
    return tmp_path


def record(folder: Path, answers: dict[str, np.ndarray]) -> None:
    np.savez(folder / "answers/parts.npz", **answers)


def test_right_answers_pass_and_the_npu_is_not_needed(folder, answers):
    record(folder, answers)
    assert rehearse(folder) == ()


def test_other_answers_are_told_frame_by_frame(folder, answers):
    damped = {name: array * (0.8 if "heat" in name else 1) for name, array in answers.items()}
    record(folder, damped)
    wrong = rehearse(folder)
    assert any(text.startswith("frame-020.png: ") and "score" in text for text in wrong)


def test_answers_belong_to_their_frames(folder, answers):
    record(folder, {name: array[::-1] for name, array in answers.items()})
    assert rehearse(folder)


def test_too_few_answers_are_an_error(folder, answers):
    record(folder, {name: array[:2] for name, array in answers.items()})
    with pytest.raises(InputError, match="fewer answers than golden frames"):
        rehearse(folder)


def test_recorded_arrays_are_given_away(tmp_path):
    np.savez(tmp_path / "a.npz", **{"output:file": np.zeros((2, 3), np.float32)})
    runner = Recorded(tmp_path / "a.npz")
    first = runner.infer(np.zeros(1))["file"]
    first += 1
    assert runner.infer(np.zeros(1))["file"].sum() == 0
    runner.close()


@pytest.mark.parametrize("wanted", ["wrong", "error"])
def test_as_a_program_it_answers_in_json(folder, answers, wanted):
    if wanted == "wrong":
        record(folder, answers)
    else:
        record(folder, {name: array[:1] for name, array in answers.items()})
    argv = [sys.executable, "-m", "edgekit.device.worker.rehearse", str(folder)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=True)
    assert list(json.loads(done.stdout)) == [wanted]
