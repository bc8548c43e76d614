"""The worker's process: it reports before it loads anything that takes long, and every way to end has its code."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from edgekit.device.runtime.main import main
from edgekit.schema.message import from_message, to_message
from edgekit.schema.plan import LanePlan
from edgekit.schema.recipe import Golden
from edgekit.schema.report import REPORT_FD_VARIABLE, Report
from tests.fakes.clips import clip_source, write_clip
from tests.fakes.plans import python_stage, small_plan


@pytest.fixture
def handlers() -> Iterator[None]:
    """Put back what `main` sets for the whole process."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    signal.set_wakeup_fd(-1)
    for number, handler in before.items():
        signal.signal(number, handler)


def reports_of_failure(release: Path) -> list[Report]:
    return reports_of(release, code=3)


def reports_of(release: Path, *words: str, code: int) -> list[Report]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        argv = ["--release", str(release), "--work", str(release), *words]
        assert main(argv, {REPORT_FD_VARIABLE: str(theirs.fileno())}) == code
        theirs.close()
        return [from_message(Report, line, "worker") for line in ours.makefile("rb")]


@pytest.mark.usefixtures("handlers")
def test_a_release_that_cannot_be_read_is_a_failure_with_a_reason(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "plan.json").write_text("{")
    reports = reports_of_failure(tmp_path)
    said = list(dict.fromkeys((one.phase, one.message) for one in reports))  # a slow machine has time to repeat itself
    assert said[:2] == [
        ("starting", "loading libraries"),
        ("starting", "reading the plan"),
    ]
    assert reports[-1].phase == "failed" and reports[-1].message.startswith("plan.json")
    assert "error: plan.json" in capsys.readouterr().err


@pytest.mark.usefixtures("handlers")
def test_golden_frames_that_differ_are_reported_as_such(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "0.png"), np.zeros((8, 16, 3), np.uint8))
    (tmp_path / "expected.json").write_text('{"0.png": [{"label": "disc", "x_px": 1, "y_px": 1, "score": 1}]}')
    plan = small_plan(golden=Golden(frames=("0.png",), expected="expected.json"))
    (tmp_path / "plan.json").write_bytes(to_message(plan))
    reports = reports_of_failure(tmp_path)
    assert "failed: 0.png: no disc at 1,1" in [one.golden for one in reports]
    assert reports[-1].message == "golden frames failed: 0.png: no disc at 1,1"


@pytest.mark.usefixtures("handlers")
@pytest.mark.parametrize(("golden", "code"), [(True, 0), (False, 3)])
def test_golden_frames_alone_open_no_source_and_no_sink(tmp_path: Path, golden: bool, code: int) -> None:
    cv2.imwrite(str(tmp_path / "0.png"), np.zeros((8, 16, 3), np.uint8))
    (tmp_path / "expected.json").write_text('{"0.png": []}')
    plan = small_plan(golden=Golden(frames=("0.png",), expected="expected.json") if golden else None)
    (tmp_path / "plan.json").write_bytes(to_message(plan))
    before = sorted(path.name for path in tmp_path.iterdir())
    reports = reports_of(tmp_path, "--golden", code=code)
    assert (reports[-1].golden, reports[-1].phase) == (("passed", "stopping") if golden else ("", "failed"))
    assert sorted(path.name for path in tmp_path.iterdir()) == before


@pytest.mark.usefixtures("handlers")
def test_an_error_that_nobody_foresaw_is_one_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--release", str(tmp_path), "--work", str(tmp_path)], {REPORT_FD_VARIABLE: "none"}) == 3
    assert "FileNotFoundError" in capsys.readouterr().err


@pytest.mark.usefixtures("handlers")
def test_a_stage_that_leaves_the_process_while_it_is_made_is_one_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "leaves_when_made.py").write_text("class Own:\n    def __init__(self, context): raise SystemExit(5)\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    write_clip(tmp_path / "c.mkv", [0])
    sources = {"a": clip_source(tmp_path / "c.mkv", pace="fast")}
    lanes = {"all": LanePlan(cpus=(), queue=1, drop="block")}
    plan = small_plan(python_stage("own", "leaves_when_made:Own"), sources=sources, lanes=lanes)
    (tmp_path / "plan.json").write_bytes(to_message(plan))
    reports = reports_of_failure(tmp_path)
    assert (reports[-1].phase, reports[-1].message) == ("failed", "SystemExit: 5")


def test_nothing_that_takes_long_is_loaded_before_the_first_report() -> None:
    code = "import sys, edgekit.device.runtime.main; print({'numpy', 'cv2', 'av', 'onnxruntime'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "set()"
