"""Golden frames on the device: stages are made once for each size of frame, none with state, and closed."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from edgekit.device.runtime.golden import check_golden
from edgekit.device.runtime.stages.factory import StageFactory
from edgekit.errors import InputError
from edgekit.schema.recipe import Golden
from tests.fakes.plans import python_stage, small_plan

STAGES = """
from edgekit.stage import Detection, Stage

class Look(Stage):
    made, closed = [], []

    def __init__(self, context):
        super().__init__(context)
        spec = context.stream.spec
        self.made.append((spec.width_px, spec.height_px))

    def __call__(self, frame):
        frame.detections = (Detection(label="spot", x_px=4, y_px=4, score=1.0),)
        return frame

    def close(self):
        self.closed.append(self)

class Eject:
    made = []

    def __init__(self, context):
        self.made.append(context)
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> str:
    name = f"golden_stages_{abs(hash(request.node.name))}"
    (tmp_path / f"{name}.py").write_text(STAGES)
    monkeypatch.syspath_prepend(str(tmp_path))
    return name


def factory(folder: Path, module: str, golden: Golden) -> StageFactory:
    stages = tuple(python_stage(cls.lower(), f"{module}:{cls}") for cls in ("Look", "Eject", "Look"))
    return StageFactory(small_plan(*stages, golden=golden), folder, {})


def pictures(folder: Path, *sizes: tuple[int, int]) -> Golden:
    """Black frames, and the answers that `Look` gives."""
    names = [f"{index}.png" for index in range(len(sizes))]
    for name, (width, height) in zip(names, sizes, strict=True):
        cv2.imwrite(str(folder / name), np.zeros((height, width, 3), np.uint8))
    answer = {"label": "spot", "colour": "", "x_px": 4, "y_px": 4, "score": 1.0}
    (folder / "expected.json").write_text(json.dumps({name: [answer] for name in names}))
    return Golden(frames=tuple(names), expected="expected.json")


def test_stages_are_made_once_for_each_size_and_closed(tmp_path: Path, module: str) -> None:
    golden = pictures(tmp_path, (16, 8), (16, 8), (32, 8), (16, 8))
    assert check_golden(golden, factory(tmp_path, module, golden)) == ()
    stages = __import__(module)
    assert stages.Look.made == [(16, 8), (32, 8)]
    assert len(stages.Look.closed) == 2
    assert stages.Eject.made == [], "a stage with state opens valves and ports: golden frames never need one"


def test_they_are_closed_after_an_error_too(tmp_path: Path, module: str) -> None:
    golden = pictures(tmp_path, (16, 8), (16, 8))
    (tmp_path / "1.png").write_text("no picture")
    with pytest.raises(InputError, match=r"1\.png"):
        check_golden(golden, factory(tmp_path, module, golden))
    assert len(__import__(module).Look.closed) == 1


def test_a_frame_without_an_answer_is_an_error(tmp_path: Path, module: str) -> None:
    golden = pictures(tmp_path, (16, 8))
    (tmp_path / "expected.json").write_text("{}")
    with pytest.raises(InputError, match=r"says nothing of 0\.png"):
        check_golden(golden, factory(tmp_path, module, golden))
