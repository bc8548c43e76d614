"""The program that a builder device runs: what it answers, and what it leaves."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from edgekit.device.builder.__main__ import main
from edgekit.device.runner.cuda import Gpu
from edgekit.schema.building import BuildAnswer, BuildRequest, TrialAnswer, TrialRequest
from edgekit.schema.message import from_message, to_message
from edgekit.schema.recipe import ColourContract
from edgekit.trust import sha256_file
from tests.fakes.networks import save, tiny
from tests.fakes.pycuda import Driver

NOWHERE = Path("/nonexistent/status")


class Status:
    """nvpmodel's status, which somebody changes while it is read."""

    def __init__(self, *texts: str) -> None:
        self.texts = list(texts)

    def read_text(self, errors: str) -> str:
        return self.texts.pop(0) if len(self.texts) > 1 else self.texts[0]


@pytest.fixture
def job(tmp_path: Path) -> Path:
    save(tiny(), tmp_path / "model.onnx")
    request = BuildRequest(kind="onnxruntime", model="model.onnx", engine="engine.onnx")
    (tmp_path / "build.json").write_bytes(to_message(request))
    contract = ColourContract(width_px=16, height_px=16, order="RGB")
    trial = TrialRequest(
        kind="onnxruntime", engine="engine.onnx", input=contract, frames="frames.npy", answers="answers.npz"
    )
    (tmp_path / "try.json").write_bytes(to_message(trial))
    np.save(tmp_path / "frames.npy", np.zeros((3, 3, 16, 16), np.float32))
    return tmp_path


def build(folder: Path, status: object = NOWHERE) -> BuildAnswer:
    main(["builder", "build", str(folder)], cast(Path, status))
    return from_message(BuildAnswer, (folder / "build-answer.json").read_bytes(), "answer")


def test_it_says_what_it_made_and_where(job: Path) -> None:
    answer = build(job, Status("pmode:0002 fmode:fanNull\n"))
    assert answer.failure is None
    assert answer.engine_sha256 == sha256_file(job / "engine.onnx")
    assert answer.power_status == "pmode:0002 fmode:fanNull"
    assert answer.timing_cache_sha256 == ""
    assert build(job).power_status == ""


def test_a_power_mode_that_changes_meanwhile_spoils_it(job: Path) -> None:
    failure = build(job, Status("pmode:0002", "pmode:0001")).failure
    assert failure is not None
    assert "power mode changed" in failure.message


def test_the_answers_are_the_outputs_and_nothing_else(job: Path) -> None:
    """numpy before 2.1 takes `allow_pickle=` of `savez` for one more array."""
    build(job)
    main(["builder", "try", str(job)], cast(Path, Status("pmode:0002")))
    answer = from_message(TrialAnswer, (job / "try-answer.json").read_bytes(), "answer")
    assert answer.failure is None
    assert answer.power_status == "pmode:0002"
    with np.load(job / "answers.npz") as arrays:
        assert arrays.files == ["output:conv2"]
        assert arrays["output:conv2"].shape[0] == 3


def test_the_gpu_says_what_it_is() -> None:
    gpu = Gpu(cast(Any, Driver()))
    assert (gpu.capability, gpu.sm_count) == ("8.7", 8)
