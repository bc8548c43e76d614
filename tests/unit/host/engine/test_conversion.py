"""What the toolkit leaves in its folder is taken as its own file, or not at all: a model may have taken it over."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgekit.errors import EngineError
from edgekit.executor.local import LocalExecutor
from edgekit.host.engine.rknn.conversion import Converted, RknnConverter, RknnJob
from edgekit.host.progress import Silent
from edgekit.host.sandbox.sandbox import Sandbox
from tests.fakes import networks

ANSWER = """echo '{"failed": null, "times_s": {}, "peak_bytes": 1, "settled": true}' > answer.json"""


def convert(folder: Path, script: str) -> Converted:
    """By a toolkit whose Python is a shell script, in no sandbox."""
    python = folder / "toolkit/bin/python"
    python.parent.mkdir(parents=True)
    python.write_text(f"#!/bin/sh\n{script}\n")
    python.chmod(0o755)
    file = networks.save(networks.tiny(), folder / "m.onnx")
    none = np.empty((0, 16, 16, 3), np.uint8)
    job = RknnJob(
        model=file, file=file, platform="rk3588", mean=(), std=(), quantisation=None, calibration=none, frames=none
    )
    sandbox = Sandbox(LocalExecutor(), Silent(), ways=lambda: ())
    return RknnConverter(toolkit=folder / "toolkit", sandbox=sandbox).convert(job)


def test_an_engine_is_taken(tmp_path: Path) -> None:
    assert convert(tmp_path, f"{ANSWER}; printf engine > engine.rknn").engine == b"engine"


@pytest.mark.parametrize("leave", ["mkfifo answer.json", "ln -s /dev/zero answer.json", "mkdir answer.json", "true"])
def test_an_answer_that_is_no_file_is_none(leave: str, tmp_path: Path) -> None:
    with pytest.raises(EngineError, match=r"m\.onnx"):
        convert(tmp_path, leave)


@pytest.mark.parametrize("leave", ["ln -s {} {}", "mkfifo {1}"])
def test_no_file_of_the_user_and_no_pipe_is_an_engine(leave: str, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("RKNN hush")
    left = [leave.format(secret, name) for name in ("engine.rknn", "outputs.npz")]
    made = convert(tmp_path, "; ".join([ANSWER, *left]))
    assert made.engine == b"" and made.answers == ()
