"""What a model remembers goes from an output back into an input: of one stream, from frame to frame without a gap."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from edgekit.device.runner import Runner
from edgekit.device.runner.onnxruntime import open_runner
from edgekit.device.runtime.stages.infer import Infer
from edgekit.errors import InputError
from edgekit.host.engine.model.prepare.rewrite import prepare
from edgekit.schema.plan import EnginePlan
from edgekit.schema.recipe import Model, OtherInput
from edgekit.stage import ModelResult
from tests.fakes import networks
from tests.fakes.frames import frame, stage_context

MODEL = Model(
    onnx="voice.onnx",
    other_inputs={
        "input": OtherInput(shape=(1, 8)),
        "state": OtherInput(shape=(2, 1, 4), fed_by="stateN"),
        "sr": OtherInput(value=16000),
    },
)
SOUND = np.full((1, 8), 0.5, np.float32)


@pytest.fixture
def runner(tmp_path: Path) -> Iterator[Runner]:
    file = networks.save(networks.voice(), tmp_path / "voice.onnx")
    made = tmp_path / "made.onnx"
    made.write_bytes(prepare(file, "vad", MODEL, "onnxruntime").data)
    plan = EnginePlan(
        runner="onnxruntime", path="", input=None, plain=tuple(MODEL.plain_inputs), feeds=MODEL.feeds, threads=1
    )
    with_runner = open_runner(plan, made)
    yield with_runner
    with_runner.close()


def infer(runner: Runner) -> Infer:
    return Infer(stage_context(runner=runner, feeds=MODEL.feeds))


def state_after(stage: Infer) -> float:
    passed = stage(frame(result=ModelResult(inputs={"input": SOUND.copy()})))
    assert passed.result("m").inputs == {}
    return float(passed.result("m").outputs["stateN"][0, 0, 0])


def test_it_goes_on_from_frame_to_frame_of_its_own_stream(runner: Runner) -> None:
    assert runner.picture == "" and {spec.name: spec.shape for spec in runner.inputs} == {
        "input": (1, 8),
        "state": (2, 1, 4),
    }
    first, second = infer(runner), infer(runner)
    assert [state_after(first) for _ in range(3)] == [0.5, 1.0, 1.5]
    assert state_after(second) == 0.5, "another stream's"
    assert state_after(first) == 2.0


def test_it_begins_anew_after_a_restart_and_a_gap(runner: Runner) -> None:
    stage = infer(runner)
    assert [state_after(stage), state_after(stage)] == [0.5, 1.0]
    stage.reset()
    assert [state_after(stage), state_after(stage)] == [0.5, 1.0]
    stage.gap(3)
    assert state_after(stage) == 0.5


def test_a_frame_without_inputs_is_told(runner: Runner) -> None:
    with pytest.raises(InputError, match="nothing has given the inputs of model m"):
        infer(runner)(frame(result=ModelResult()))
