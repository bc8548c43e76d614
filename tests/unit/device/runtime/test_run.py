"""A worker's run: what it says from start to end, and with which code it leaves."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from edgekit.device.runtime.arguments import EXIT_FAILED, Arguments, GoldenError
from edgekit.device.runtime.reporter import Reporter
from edgekit.device.runtime.run import run
from edgekit.errors import EdgekitError
from edgekit.schema.message import from_message, to_message
from edgekit.schema.plan import LanePlan, StagePlan, WorkerPlan
from edgekit.schema.recipe import Golden
from edgekit.schema.report import Report
from edgekit.schema.sink import JsonlSink
from tests.fakes.clips import clip_source, write_clip
from tests.fakes.clock import Clock
from tests.fakes.plans import python_stage, small_plan

LANES = {name: LanePlan(cpus=(), queue=4, drop="block") for name in ("all", "camera")}
CODE = """
import time
from edgekit.stage import Detection, Stage

class Find(Stage):
    def __call__(self, frame):
        frame.detections = (Detection(label="spot", x_px=1, y_px=1, score=1.0),)
        return frame

class Break(Stage):
    def __call__(self, frame):
        raise SystemExit(5)
"""


class FakeReporter(Reporter):
    """Remembers what is said; `waits` are its answers to `wait`."""

    def __init__(self, waits: Iterator[bool] | None = None) -> None:
        super().__init__(None, Clock())
        self.said: list[Report] = []
        self.waits = waits

    def _send(self, report: Report) -> None:
        self.said.append(report)

    def wait(self, wake_fd: int, seconds: float) -> bool:
        return super().wait(wake_fd, 0.005) if self.waits is None else next(self.waits)

    @property
    def phases(self) -> list[tuple[str, str]]:
        return [(report.phase, report.message) for report in self.said]


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> str:
    name = f"main_stages_{abs(hash(request.node.name))}"
    (tmp_path / f"{name}.py").write_text(CODE)
    monkeypatch.syspath_prepend(str(tmp_path))
    return name


@pytest.fixture
def wake_fd() -> Iterator[int]:
    ours, theirs = os.pipe()
    yield ours
    os.close(ours)
    os.close(theirs)


def lay_out(folder: Path, *stages: StagePlan, golden: Golden | None = None, **more: object) -> Arguments:
    write_clip(folder / "c.mkv", [0, 100, 200])
    source = clip_source(folder / "c.mkv", pace="fast", **more)
    plan: WorkerPlan = small_plan(
        *stages,
        sources={"a": source},
        sinks={"out": JsonlSink(kind="jsonl", path="out.jsonl", lane="all")},
        lanes=LANES,
        golden=golden,
    )
    (folder / "plan.json").write_bytes(to_message(plan))
    return Arguments(release=folder, work=folder / "work")


def test_it_says_what_it_does_and_ends_with_its_source(tmp_path: Path, module: str, wake_fd: int) -> None:
    cv2.imwrite(str(tmp_path / "0.png"), np.zeros((8, 16, 3), np.uint8))
    answer = {"label": "spot", "x_px": 1, "y_px": 1, "score": 1.0}
    (tmp_path / "expected.json").write_text(json.dumps({"0.png": [answer]}))
    golden = Golden(frames=("0.png",), expected="expected.json")
    reporter = FakeReporter()
    assert run(lay_out(tmp_path, python_stage("find", f"{module}:Find"), golden=golden), reporter, wake_fd) == 0
    assert reporter.phases == [
        ("starting", "reading the plan"),
        ("starting", "loading engines"),
        ("golden", "running 1 golden frames"),
        ("starting", "opening sources and sinks"),
        ("running", ""),
        ("stopping", "source ended"),
    ]
    last = reporter.said[-1]
    assert (last.frames, last.golden, last.streams[0].state) == (3, "passed", "ended")


def test_golden_frames_that_differ_stop_it_before_a_source_is_opened(tmp_path: Path, module: str, wake_fd: int) -> None:
    cv2.imwrite(str(tmp_path / "0.png"), np.zeros((8, 16, 3), np.uint8))
    (tmp_path / "expected.json").write_text('{"0.png": []}')
    golden = Golden(frames=("0.png",), expected="expected.json")
    reporter = FakeReporter()
    with pytest.raises(GoldenError, match=r"golden frames failed: 0\.png: spot at 1,1 is not expected"):
        run(lay_out(tmp_path, python_stage("find", f"{module}:Find"), golden=golden), reporter, wake_fd)
    assert reporter.phases[-1][0] == "golden" and not (tmp_path / "work").exists()


def test_it_stops_when_told(tmp_path: Path, wake_fd: int) -> None:
    reporter = FakeReporter(iter([True, False]))
    assert run(lay_out(tmp_path, loops=0), reporter, wake_fd) == 0
    assert reporter.phases[-1] == ("stopping", "told to stop")


def test_a_lane_that_broke_is_a_failure(tmp_path: Path, module: str, wake_fd: int) -> None:
    reporter = FakeReporter()
    assert run(lay_out(tmp_path, python_stage("bad", f"{module}:Break")), reporter, wake_fd) == EXIT_FAILED
    assert reporter.phases[-1] == ("failed", "stage bad called sys.exit(5)")


def test_a_stream_that_fails_alone_is_a_failure(tmp_path: Path, wake_fd: int) -> None:
    arguments = lay_out(tmp_path, loops=0)
    many = write_clip(tmp_path / "d.mkv", [100 * number for number in range(250)])
    text = (arguments.release / "plan.json").read_text().replace('"c.mkv"', '"d.mkv"')
    (arguments.release / "plan.json").write_text(text)

    def waits() -> Iterator[bool]:
        while True:
            many.write_bytes(many.read_bytes()[:2000] + bytes(1 << 20))
            yield True

    reporter = FakeReporter(waits())
    assert run(arguments, reporter, wake_fd) == EXIT_FAILED
    phase, message = reporter.phases[-1]
    assert phase == "failed" and message.startswith("source a: ")


def test_what_cannot_be_run_is_an_error(tmp_path: Path, wake_fd: int) -> None:
    arguments = lay_out(tmp_path)
    with pytest.raises(EdgekitError, match=r"plan\.json"):
        (tmp_path / "plan.json").write_text("{")
        run(arguments, FakeReporter(), wake_fd)
    with pytest.raises(EdgekitError, match=r"c\.mkv cannot be played"):
        arguments = lay_out(tmp_path)
        (tmp_path / "c.mkv").unlink()
        run(replace(arguments), FakeReporter(), wake_fd)


def test_a_source_that_is_switched_off_is_not_opened(tmp_path: Path, wake_fd: int) -> None:
    arguments = lay_out(tmp_path)
    plan = from_message(WorkerPlan, (tmp_path / "plan.json").read_bytes(), "plan.json")
    off = replace(plan.sources["a"], path="nowhere.mkv", enabled=False)  # type: ignore[call-arg]
    (tmp_path / "plan.json").write_bytes(to_message(replace(plan, sources={**plan.sources, "off": off})))
    reporter = FakeReporter()
    assert run(arguments, reporter, wake_fd) == 0
    assert [stream.name for stream in reporter.said[-1].streams] == ["a"]
    (tmp_path / "plan.json").write_bytes(to_message(replace(plan, sources={"off": off})))
    with pytest.raises(EdgekitError, match="every source is switched off"):
        run(arguments, FakeReporter(), wake_fd)
