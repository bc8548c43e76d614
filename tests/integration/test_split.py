"""A YOLO goes to RK3588's NPU and to the CPU in int8: refused in one piece, and right where its own hint is followed.

The real toolkit and its simulator, the real command line. The first run fetches 365 MB into the user's own cache.
"""

from __future__ import annotations

import dataclasses
import json
import re
import subprocess
from pathlib import Path

import numpy as np
import pytest

from edgekit.device.runner import load
from edgekit.errors import EngineError
from edgekit.host.cache import Cache
from edgekit.host.engine.compile import split_source
from edgekit.host.engine.model.reference import answers_of
from edgekit.host.engine.pictures.read import read_pictures
from edgekit.host.engine.store import EngineStore
from edgekit.imaging.conversion import tensors_of
from edgekit.schema.message import from_message
from edgekit.schema.plan import WorkerPlan
from tests.fakes.benches import compile_source
from tests.fakes.yolo_recipe import write_recipe
from tests.integration.test_rknn import User, user_bench
from tests.unit.host.engine.test_overflow import norm, source_of

pytestmark = pytest.mark.integration
__all__ = ["user_bench"]


def build(user: User, recipe: Path, target: str) -> subprocess.CompletedProcess[str]:
    return user.run("build", str(recipe), "--target", target, "--out", f"out-{target}", "--json")


def figures(stderr: str) -> tuple[int, int, float, float]:
    """Matched, expected, least IoU, largest error of a score."""
    found = re.search(
        r"24 pictures: (\d+) of the float model's (\d+) matched, 0 lost, 0 added; IoU ([\d.]+) at least, .* scores by "
        r"([\d.]+) at most",
        " ".join(stderr.split()),
    )
    assert found is not None, stderr
    return int(found[1]), int(found[2]), float(found[3]), float(found[4])


@pytest.mark.parametrize("target", ["rk3588-debian12", "virt-arm64"])
def test_a_yolo_in_one_piece_is_refused_and_its_hint_is_the_cure(tmp_path, user_bench, target):
    user = User(tmp_path / "home")
    refused = build(user, write_recipe(tmp_path / "recipe"), target)
    assert refused.returncode == 5
    assert "output output0 mixes ranges" in refused.stderr
    assert 'split = "auto"' in refused.stderr

    built = build(user, write_recipe(tmp_path / "recipe", 'split = "auto"'), target)
    assert built.returncode == 0, built.stderr
    matched, expected, least_iou, score_error = figures(built.stderr)
    assert matched == expected > 60
    assert least_iou >= 0.9
    assert score_error <= 0.05
    assert "the tail runs in float on the CPU:" in " ".join(built.stderr.split())
    told = json.loads(built.stdout)
    (engine,) = told["engines"]
    assert engine["tail"] == "engines/net.tail.onnx"
    assert set(engine["facts"]["tail_inputs"].split(", ")) == {
        "/head/4/box",
        "/head/4/cls",
        "/head/8/box",
        "/head/8/cls",
    }
    assert [wheel for wheel in told["wheels"] if wheel.startswith("onnxruntime")]
    files = user.home / f"out-{target}" / "files"
    plan = from_message(WorkerPlan, (files / "plan.json").read_bytes(), "plan.json")
    assert plan.engines["net"].tail == engine["tail"]
    assert (files / engine["tail"]).is_file()


def test_keeping_the_output_float_cures_it_too_and_keeping_what_is_behind_it_does_not(tmp_path, user_bench):
    user = User(tmp_path / "home")
    kept = 'quantisation = { keep_float = ["output0"] }'
    built = build(user, write_recipe(tmp_path / "recipe", kept), "rk3588-debian12")
    assert built.returncode == 0, built.stderr
    matched, expected, _, _ = figures(built.stderr)
    assert matched == expected
    (engine,) = json.loads(built.stdout)["engines"]
    assert engine["facts"]["kept_float"] == "output0-rs, output0"


def test_on_this_machine_both_parts_run_as_the_board_runs_them(tmp_path, user_bench):
    user = User(tmp_path / "home")
    recipe = write_recipe(tmp_path / "recipe", 'split = "auto"')
    built = build(user, recipe, "host")
    assert built.returncode == 0, built.stderr
    release = user.home / "out-host/files"
    plan = from_message(WorkerPlan, (release / "plan.json").read_bytes(), "plan.json").engines["net"]
    frames = tensors_of(read_pictures(sorted((recipe / "calibration").iterdir())[:3], plan.input), plan.input)
    expected = answers_of(recipe / "net.onnx", frames)["output0"]
    runner = load(plan, release)
    for frame, want in zip(frames, expected, strict=True):
        (name, found), *_ = runner.infer({runner.picture: frame[None]}).items()
        assert name == "output0"
        assert found.shape == want.shape
        assert np.abs(found - want)[:, 4:].max() < 0.1
    runner.close()


def test_what_overflows_in_float16_is_named_and_cut_off(tmp_path, user_bench):
    """Without a single picture: noise is enough to see it."""
    bench = dataclasses.replace(user_bench, store=EngineStore(tmp_path))
    source = source_of(tmp_path, norm(), "rk3588-debian12")
    with pytest.raises(
        EngineError, match=r"float16, which ends at 65504, overflows at q \(0 to .* in float32\), s"
    ) as raised:
        compile_source(source, bench)
    (name,) = re.findall(r'split = \["(\w+)"\]', raised.value.hint)
    cured = dataclasses.replace(source, model=dataclasses.replace(source.model, split=(name,)))
    engine = compile_source(split_source(cured, "rknn", Cache(tmp_path / "parts")), bench)
    want, got = (np.load(file)["output:y"] for file in (engine.expected, engine.answers))
    seen = np.isfinite(want)
    assert np.abs(got - want)[seen].max() < 1e-3 * np.abs(want[seen]).max()
    assert any("made-up pictures" in note for note in engine.notes)
