"""A build holds what its stages find with engines against the float models': the worker's own stages, in a child."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import cv2
import numpy as np
import pytest

import edgekit
from edgekit.errors import EngineError
from edgekit.host.catalogue.recipes import read_recipe
from edgekit.host.catalogue.targets import find_target
from edgekit.host.engine.engine import Engine
from edgekit.host.engine.model.reference import answers_of
from edgekit.host.engine.pictures.read import read_pictures
from edgekit.host.rehearsal import Rehearsal, run_rehearsal
from edgekit.host.release.plan import plan_worker
from edgekit.host.settings import settings_from
from edgekit.host.workflow.detections import hold_detections, least_scores, shared_pictures
from edgekit.host.workflow.rehearse import release_files
from edgekit.imaging.conversion import tensors_of
from edgekit.schema.manifest import EngineEntry
from edgekit.schema.plan import EnginePlan, StagePlan
from edgekit.schema.recipe import ColourContract
from tests.fakes.workstations import workstation
from tests.fakes.yolo_recipe import write_recipe

TARGET = find_target("host", settings_from({"HOME": "/nonexistent"}, Path(edgekit.__file__).parent))
ENTRY = EngineEntry(name="net", runner="rknn", path="engines/net.rknn", model_sha256="", facts={})


SECOND = dataclasses.replace(ENTRY, name="second", path="engines/second.rknn")


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
    plan = case.rehearsal.plan
    assert least_scores(case.folder.recipe, plan.stages).of("red") == pytest.approx(0.4 + 0.1)
    (*_, find) = plan.stages
    own = dataclasses.replace(find, options={**find.options, "thresholds": {"red": 0.7}})
    least = least_scores(case.folder.recipe, [own])
    assert (least.of("red"), least.of("blue"), least.of("else")) == pytest.approx((0.8, 0.5, 0.5))
    sure = dataclasses.replace(find, kind="classify", options={"labels": ["a"], "threshold": 0.0})
    assert least_scores(case.folder.recipe, [sure]).of("a") == pytest.approx(0.6)


def test_engines_of_other_pictures_are_compared_where_they_share_them() -> None:
    one = Engine(entry=ENTRY, file=Path("e"), pictures=(Path("g"), Path("a"), Path("b")))
    assert shared_pictures([one, dataclasses.replace(one, pictures=(Path("g"), Path("c")))]) == (Path("g"),)
    assert shared_pictures([one]) == one.pictures
    assert shared_pictures([]) == ()


CROPS = StagePlan(
    name="kind",
    kind="crops",
    lane="a",
    engine="second",
    entry="",
    options={
        "labels": ["van", "car"],
        "output": "out",
        "activation": "none",
        "reads": "class",
        "of": [],
        "threshold": 0.5,
        "blank": "first",
    },
)


class CropsCase(Case):
    """The same with a second model that looks at what the first one found; its answers were recorded on two crops."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        contract = ColourContract(width_px=16, height_px=16, order="RGB")
        second = EnginePlan(runner="rknn", path="engines/second.rknn", input=contract, threads=1)
        plan = self.rehearsal.plan
        plan = dataclasses.replace(plan, engines={**plan.engines, "second": second}, stages=(*plan.stages, CROPS))
        self.rehearsal = dataclasses.replace(self.rehearsal, plan=plan)
        self.crops = [folder / f"crop{index}.png" for index in range(2)]
        for crop in self.crops:
            cv2.imwrite(str(crop), np.zeros((16, 16, 3), np.uint8))

    def engines(self, scores: list[list[float]], wanted: list[list[float]]) -> tuple[Engine, ...]:
        made = []
        first = self.expected["output0"]
        for entry, pictures, arrays in (
            (ENTRY, self.pictures, {"output0": (first, first)}),
            (SECOND, tuple(self.crops), {"out": (scores, wanted)}),
        ):
            files = []
            for side in (0, 1):
                files.append(self.folder.folder / f"{entry.name}{side}.npz")
                recorded = {f"output:{name}": np.array(both[side], np.float32) for name, both in arrays.items()}
                np.savez(files[-1], **recorded)
            made.append(Engine(entry=entry, file=files[0], answers=files[0], expected=files[1], pictures=pictures))
        return tuple(made)

    def hold_both(self, scores: list[list[float]], wanted: list[list[float]]) -> tuple[str, ...]:
        return hold_detections(self.folder.recipe, self.rehearsal, self.engines(scores, wanted), workstation())


def test_a_second_model_is_held_on_the_crops_that_it_was_calibrated_with(tmp_path: Path) -> None:
    case = CropsCase(tmp_path / "recipe")
    sure, unsure = [[[0.9, 0.1]], [[0.2, 0.8]]], [[[0.8, 0.2]], [[0.55, 0.45]]]
    first, second = case.hold_both(sure, sure)
    assert first.startswith("detections on 4 pictures: ")
    assert second.startswith("stage kind: detections on 2 pictures: 2 of the float model's 2 matched, 0 lost, 0 added")
    flipped = [[[0.9, 0.1]], [[0.8, 0.2]]]
    with pytest.raises(EngineError, match=r"crop1\.png: car at 8,8 \(score 0\.80\) is lost in the engine"):
        case.hold_both(flipped, sure)
    assert len(case.hold_both([[[0.85, 0.15]], [[0.45, 0.55]]], unsure)) == 2, "nobody is sure of the second"


def test_a_rehearsal_does_without_a_second_model_that_runs_on_a_board_alone(tmp_path: Path) -> None:
    """Its recorded answers are those on other pictures: what the first model finds is judged without it."""
    case = CropsCase(tmp_path / "recipe")
    engines = case.engines([[[0.9, 0.1]], [[0.9, 0.1]]], [[[0.9, 0.1]], [[0.9, 0.1]]])
    answers = {engine.entry.name: engine.answers for engine in engines if engine.answers}
    wanted = dataclasses.replace(case.rehearsal, pictures=case.pictures, answers=answers)
    reply = run_rehearsal(wanted, workstation().sandbox)
    assert [one.stage for one in reply.untried] == ["kind"]
    assert (reply.unjudged, reply.passed) == ("", ("scale", "see", "find"))
    assert any(reply.pictures)


def test_what_cannot_be_compared_is_told(tmp_path: Path) -> None:
    case = Case(tmp_path / "recipe")
    nothing = np.zeros_like(case.expected["output0"])
    case.expected["output0"] = nothing
    (note,) = case.hold(nothing)
    assert note.startswith("nothing is found on 4 pictures with either model: what a user loses is not known")
    plan = case.rehearsal.plan
    case.rehearsal = dataclasses.replace(case.rehearsal, plan=dataclasses.replace(plan, stages=plan.stages[:2]))
    (note,) = case.hold(nothing)
    assert note == "the engines of net were compared number by number alone: no stage makes detections of their answers"


def test_stages_that_remember_are_told(tmp_path: Path) -> None:
    case = Case(tmp_path / "recipe")
    plan = case.rehearsal.plan
    follow = StagePlan(name="follow", kind="track", lane="a", engine="", entry="", options={})
    case.rehearsal = dataclasses.replace(case.rehearsal, plan=dataclasses.replace(plan, stages=(*plan.stages, follow)))
    first, second = case.hold(case.expected["output0"])
    assert first.startswith("detections on 4 pictures: ")
    assert second == "what later stages make of it was not compared, as it depends on earlier frames: follow"
