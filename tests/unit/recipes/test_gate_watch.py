"""The drawn street: truth is what was drawn, clips show it, and the recipe counts exactly that."""

from __future__ import annotations

import ast
import dataclasses
import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import av
import cv2
import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from edgekit.device.runner import load
from edgekit.device.runtime.figures import LaneFigures
from edgekit.device.runtime.golden import check_golden
from edgekit.device.runtime.sources.file import ClipReader
from edgekit.device.runtime.stages.factory import StageFactory
from edgekit.host.catalogue.recipes import read_recipe
from edgekit.imaging.image import FrameSpec
from edgekit.schema.plan import EnginePlan, StagePlan
from edgekit.schema.reader import to_raw
from edgekit.schema.recipe import Recipe
from edgekit.schema.source import FileSource
from edgekit.schema.stages import model_of
from edgekit.stage import Frame
from tests.fakes.plans import small_plan
from tests.fakes.recipe_scripts import recipe_scripts

RECIPE = Path(__file__).parents[3] / "recipes" / "gate-watch"
NAMES = ("north", "south", "east", "west")


@pytest.fixture(scope="module")
def scripts() -> Iterator[list[ModuleType]]:
    with recipe_scripts(RECIPE, "views", "scene", "draw", "network") as modules:
        yield modules


@pytest.fixture(scope="module")
def recipe() -> Recipe:
    return read_recipe(RECIPE).recipe


@pytest.fixture(scope="module")
def factory(recipe: Recipe) -> StageFactory:
    """The recipe's stages over its clips, in place of cameras."""
    model = recipe.models["street"]
    engine = EnginePlan(runner="onnxruntime", path=model.onnx, input=model.input, threads=1)
    stages = tuple(
        StagePlan(
            name=name,
            kind=s.kind,
            lane=s.lane,
            engine=model_of(s, recipe.models),
            entry="",
            options=to_raw(s.options) | ({"labels": names_in(RECIPE / model.onnx)} if s.kind == "yolo" else {}),
        )
        for name, s in recipe.pipeline.stages.items()
    )
    clips = {
        name: FileSource(kind="file", path=f"clips/{name}.mp4", pace="fast", loops=1, lane="all") for name in NAMES
    }
    plan = small_plan(*stages, engines={"street": engine}, sources=clips, golden=recipe.golden)
    return StageFactory(plan, RECIPE, {"street": load(engine, RECIPE)})


def names_in(file: Path) -> list[str]:
    """Classes, as a model's exporter wrote them into it."""
    said = {entry.key: entry.value for entry in onnx.load(str(file)).metadata_props}
    return list(ast.literal_eval(said["names"]).values())


def truth(name: str) -> dict[str, object]:
    found: dict[str, object] = json.loads((RECIPE / "truth" / f"{name}.json").read_text())
    return found


@pytest.fixture(scope="module", params=NAMES)
def drawn(request: pytest.FixtureRequest, scripts: list[ModuleType]) -> Any:
    """A view, its scene, and its background, which takes a second to draw."""
    views, scene, _, _ = scripts
    (view,) = (one for one in views.VIEWS if one.name == request.param)
    whole = views.scene_of(view)
    return SimpleNamespace(view=view, scene=whole, back=scene.look(whole.street, whole.camera), fps=views.FPS)


def test_the_truth_is_what_goes_on_in_the_scene(scripts: list[ModuleType], drawn: Any) -> None:
    assert scripts[2].truth_of(drawn.scene) == truth(drawn.view.name)


def test_figures_are_where_the_truth_says(scripts: list[ModuleType], drawn: Any) -> None:
    """The truth goes by places on the ground, pictures by figures: each is drawn on one side, then on the other."""
    views, scene, draw, _ = scripts
    for actor in drawn.scene.actors:
        alone = dataclasses.replace(drawn.scene, actors=(actor,), props=())
        crossings = list(draw.crossings(alone))
        if not any(actor.speed_m):
            assert crossings == []
            continue
        ((frame, kind, direction),) = crossings
        painter = scene.Painter(alone, drawn.back)
        middles = []
        for number in (frame - 5, frame + 5):
            (seen,) = painter.draw(number / drawn.fps)[1]
            assert seen.kind == kind
            middles.append((seen.box[0] + seen.box[2]) / 2 - views.LINE_X_PX)
        assert (middles[0] < 0 < middles[1]) if direction == "in" else (middles[1] < 0 < middles[0])


def test_a_clip_shows_its_scene(scripts: list[ModuleType], drawn: Any) -> None:
    painter, numbers = scripts[1].Painter(drawn.scene, drawn.back), (0, 120, 260, 399)
    with av.open(str(RECIPE / "clips" / f"{drawn.view.name}.mp4")) as clip:
        frames = [frame for number, frame in enumerate(clip.decode(video=0)) if number in numbers]
    for number, frame in zip(numbers, frames, strict=True):
        luma = (frame.to_ndarray()[: frame.height].astype(np.float32) - 16) * 255 / 219
        wanted = painter.draw(number / drawn.fps)[0] @ np.array([0.2126, 0.7152, 0.0722], np.float32)
        assert cv2.absdiff(cv2.blur(luma, (5, 5)), cv2.blur(wanted, (5, 5))).mean() < 3.0


def test_nobody_moves_at_start_and_end(scripts: list[ModuleType], drawn: Any) -> None:
    views = scripts[0]
    painter, quiet = scripts[1].Painter(drawn.scene, drawn.back), round(views.QUIET_S * views.FPS)
    for frame in (0, quiet - 1, views.FRAMES - quiet + 1, views.FRAMES - 1):
        assert len(painter.draw(frame / drawn.fps)[1]) == len(drawn.view.parked)


@pytest.mark.parametrize(("name", "lost"), [*((name, 0) for name in NAMES), ("north", 7)])
def test_counts_are_exact(factory: StageFactory, name: str, lost: int) -> None:
    """Also where every seventh frame is lost on its way."""
    with closing(ClipReader(name, factory.plan.sources[name], RECIPE)) as clip:  # type: ignore[arg-type]
        stages = [factory.make(stage, clip.info) for stage in factory.plan.stages]
        frames = [entry for entry in clip.entries(LaneFigures("l", lambda: 0.0)) if isinstance(entry, Frame)]
        assert isinstance(clip.info.spec, FrameSpec) and (clip.info.spec.matrix, clip.info.spec.range) == (
            "709",
            "limited",
        )
    counts: dict[str, int] = {}
    for frame in frames:
        if lost and (frame.sequence + 1) % lost == 0:
            continue
        for stage in stages:
            stage(frame)
        counts = frame.counts
    assert len(frames) == truth(name)["frames"]
    assert counts == truth(name)["counts"]


def test_golden_frames_pass(factory: StageFactory) -> None:
    assert factory.plan.golden is not None
    assert check_golden(factory.plan.golden, factory) == ()


def test_the_file_is_what_the_script_writes(scripts: list[ModuleType], tmp_path: Path) -> None:
    """From the weights in it, to the byte: layers, decoding and what it says of itself."""
    network, file = scripts[3], RECIPE / "model.onnx"
    held = {one.name: numpy_helper.to_array(one) for one in onnx.load(str(file)).graph.initializer}
    weights = {
        row.name: (held[f"{row.name}.weight"], held[f"{row.name}.bias"])
        for row in network.table()
        if isinstance(row, network.Conv)
    }
    network.export(weights, tmp_path / "model.onnx")
    assert (tmp_path / "model.onnx").read_bytes() == file.read_bytes()
    assert names_in(file) == list(network.CLASSES)


def test_the_line_of_recipe_and_truth_is_one(recipe: Recipe, scripts: list[ModuleType]) -> None:
    views = scripts[0]
    line = recipe.pipeline.stages["count"].options.lines["gate"]  # type: ignore[union-attr]
    assert (line.start_px, line.end_px) == (
        (views.LINE_X_PX, views.LINE_Y_PX[1]),
        (views.LINE_X_PX, views.LINE_Y_PX[0]),
    )


def test_sizes_stay_small() -> None:
    sizes = {file: file.stat().st_size for file in RECIPE.rglob("*") if file.is_file()}
    assert sum(sizes.values()) < 6_000_000
    assert max(size for file, size in sizes.items() if file.suffix == ".mp4") < 1_000_000
