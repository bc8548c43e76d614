"""The shipped recipe counts exactly what the ground truth says, with room for other processors' rounding."""

from __future__ import annotations

import dataclasses
import json
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from edgekit.device.runner import Runner, load
from edgekit.device.runtime.figures import LaneFigures
from edgekit.device.runtime.golden import check_golden
from edgekit.device.runtime.sources.file import ClipReader
from edgekit.device.runtime.stages.factory import StageFactory
from edgekit.imaging.image import FrameSpec
from edgekit.schema.plan import EnginePlan, LimitsPlan, StagePlan, WorkerPlan
from edgekit.schema.reader import from_toml, to_raw
from edgekit.schema.recipe import Recipe
from edgekit.schema.stages import model_of
from edgekit.stage import Frame

RECIPE = Path(__file__).parents[3] / "recipes" / "sorting-line"
TRUTH = json.loads((RECIPE / "truth.json").read_text())


class Noisy:
    """A runner whose heat map is off by up to `noise`, and whose input is by up to `levels` of 255.

    That is far more than two processors ever differ.
    """

    def __init__(self, runner: Runner, noise: float, levels: int) -> None:
        self._runner = runner
        self._noise = noise
        self._levels = levels
        self._random = np.random.default_rng(0)

    @property
    def picture(self) -> str:
        return self._runner.picture

    def lend(self) -> dict[str, np.ndarray]:
        return self._runner.lend()

    def infer(self, tensors: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        tensor = tensors[self.picture]
        off = self._random.integers(-self._levels, self._levels + 1, tensor.shape) / 255
        outputs = self._runner.infer({self.picture: (tensor + off).astype(tensor.dtype)})
        heat = outputs["heat"]
        outputs["heat"] = heat + self._random.uniform(-self._noise, self._noise, heat.shape).astype(heat.dtype)
        return outputs

    def close(self) -> None:
        self._runner.close()


@pytest.fixture(scope="module")
def factory() -> StageFactory:
    recipe = from_toml(Recipe, (RECIPE / "recipe.toml").read_text(), "recipe.toml")
    model = recipe.models["parts"]
    engine = EnginePlan(runner="onnxruntime", path=model.onnx, input=model.input, threads=1)
    stages = tuple(
        StagePlan(
            name=name, kind=s.kind, lane=s.lane, engine=model_of(s, recipe.models), entry="", options=to_raw(s.options)
        )
        for name, s in recipe.pipeline.stages.items()
        if s.kind != "python"  # the recipe's own code takes packages that this machine need not have
    )
    source = dataclasses.replace(recipe.pipeline.sources["belt"], pace="fast", loops=1)
    plan = WorkerPlan(
        application=recipe.name,
        version=recipe.version,
        target="host",
        python_path="python3",
        site="site",
        app="",
        engines={"parts": engine},
        sources={"belt": source},
        stages=stages,
        sinks={},
        lanes={},
        limits=LimitsPlan(memory_max=0, memory_high=0, cpuset_cpus=(), pids_max=1, advisory=True),
        health=recipe.health,
        golden=recipe.golden,
    )
    return StageFactory(plan, RECIPE, {"parts": load(engine, RECIPE)})


@pytest.mark.parametrize(("noise", "levels", "lost"), [(0.0, 0, 0), (0.05, 2, 0), (0.15, 4, 0), (0.0, 0, 7)])
def test_counts_are_exact(factory: StageFactory, noise: float, levels: int, lost: int) -> None:
    """Whatever the rounding, and where every seventh frame is lost on its way."""
    runner = Noisy(factory.runners["parts"], noise, levels)
    noisy = StageFactory(factory.plan, RECIPE, {"parts": runner})
    with closing(ClipReader("belt", factory.plan.sources["belt"], RECIPE)) as clip:
        stages = [noisy.make(stage, clip.info) for stage in factory.plan.stages]
        frames = [entry for entry in clip.entries(LaneFigures("l", lambda: 0.0)) if isinstance(entry, Frame)]
    counts: dict[str, int] = {}
    for frame in frames:
        if lost and (frame.sequence + 1) % lost == 0:
            continue
        for stage in stages:
            stage(frame)
        counts = frame.counts
    assert len(frames) == TRUTH["frames"]
    assert counts == TRUTH["counts"]


def test_golden_frames_pass(factory: StageFactory) -> None:
    assert factory.plan.golden is not None
    assert check_golden(factory.plan.golden, factory) == ()


def test_clip_says_its_colours() -> None:
    recipe = from_toml(Recipe, (RECIPE / "recipe.toml").read_text(), "recipe.toml")
    source = recipe.pipeline.sources["belt"]
    assert source.matrix is None and source.range is None, "the clip's own metadata must say it"
    clip = ClipReader("belt", source, RECIPE)
    spec = clip.info.spec
    assert isinstance(spec, FrameSpec) and (spec.matrix, spec.range) == ("709", "limited")
    assert (spec.width_px, spec.height_px, clip.info.fps) == (640, 360, 10.0)
    clip.close()


def test_sizes_stay_small() -> None:
    assert (RECIPE / "clip.mp4").stat().st_size < 1_500_000
    assert (RECIPE / "model.onnx").stat().st_size < 1_500_000
