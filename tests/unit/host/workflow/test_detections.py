"""A build holds what its stages find with engines against the float models': the worker's own stages, in a child."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

import edgekit
from edgekit.errors import EngineError
from edgekit.host.catalogue.recipes import read_recipe
from edgekit.host.catalogue.targets import find_target
from edgekit.host.engine.engine import Engine
from edgekit.host.engine.model.reference import answers_of
from edgekit.host.engine.pictures.read import read_pictures
from edgekit.host.rehearsal import Rehearsal
from edgekit.host.release.plan import plan_worker
from edgekit.host.settings import settings_from
from edgekit.host.workflow.detections import hold_detections, least_score, shared_pictures
from edgekit.host.workflow.rehearse import release_files
from edgekit.imaging.conversion import tensors_of
from edgekit.schema.manifest import EngineEntry
from tests.fakes.workstations import workstation
from tests.fakes.yolo_recipe import write_recipe

TARGET = find_target("host", settings_from({"HOME": "/nonexistent"}, Path(edgekit.__file__).parent))
ENTRY = EngineEntry(name="net", runner="rknn", path="engines/net.rknn", model_sha256="", facts={})


class Case:
    """The small detector's recipe, with answers as an engine's simulator would leave them."""

    def __init__(self, folder: Path) -> None:
        self.folder = read_recipe(write_recipe(folder, pictures=4))
        contract = self.folder.recipe.models["net"].input
        self.pictures = tuple(sorted((folder / "calibration").iterdir()))
        self.expected = answers_of(folder / "net.onnx", tensors_of(read_pictures(self.pictures, contract), contract))
        plan = plan_worker(self.folder.recipe, TARGET, [ENTRY], has_app=False)
        self.rehearsal = Rehearsal(plan=plan, files=release_files(self.folder))

    def hold(self, found: np.ndarray) -> tuple[str, ...]:
        for name, array in (("answers", found), ("expected", self.expected["output0"])):
            np.savez(self.folder.folder / name, **{"output:output0": array})
        engine = Engine(
            entry=ENTRY,
            file=self.folder.file("net.onnx"),
            answers=self.folder.file("answers.npz"),
            expected=self.folder.file("expected.npz"),
            pictures=self.pictures,
        )
        return hold_detections(self.folder.recipe, self.rehearsal, (engine,), workstation())


def test_a_detection_that_is_lost_ends_the_build_and_the_others_are_told(tmp_path: Path) -> None:
    case = Case(tmp_path / "recipe")
    (note,) = case.hold(case.expected["output0"])
    assert note.startswith("detections on 4 pictures: ")
    assert "0 lost, 0 added; IoU 1.000 at least" in note
    blind = case.expected["output0"].copy()
    blind[1, :, 4:] = 0
    with pytest.raises(
        EngineError, match=r"01\.png: \w+ at \d+,\d+ \(score 0\.\d+\) is lost in the engine, and so are \d"
    ) as raised:
        case.hold(blind)
    assert "precision" in raised.value.hint
    with pytest.raises(EngineError, match=r"03\.png: \w+ at \d+,\d+ .* is found by the engine alone"):
        case.hold(case.expected["output0"][[0, 1, 2, 0]])


def test_what_the_threshold_and_the_tolerance_leave_open(tmp_path: Path) -> None:
    case = Case(tmp_path / "recipe")
    assert least_score(case.folder.recipe, case.rehearsal.plan) == pytest.approx(0.4 + 0.1)


def test_engines_of_other_pictures_are_compared_where_they_share_them() -> None:
    one = Engine(entry=ENTRY, file=Path("e"), pictures=(Path("g"), Path("a"), Path("b")))
    assert shared_pictures([one, dataclasses.replace(one, pictures=(Path("g"), Path("c")))]) == (Path("g"),)
    assert shared_pictures([one]) == one.pictures
    assert shared_pictures([]) == ()
