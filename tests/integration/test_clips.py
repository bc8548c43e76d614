"""Clips of events from a real RTSP camera and a recording: they play, and show the picture that the event was in."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from edgekit.schema.plan import LanePlan, WorkerPlan
from edgekit.schema.report import Report, SinkReport
from edgekit.schema.sink import ClipSink, JsonlSink
from edgekit.schema.source import FileSource, RtspSource
from tests.fakes.cameras import rtsp_server
from tests.fakes.eventually import PATIENCE_S, eventually
from tests.fakes.numbered_clip import numbers_in, write_numbered
from tests.fakes.plan_worker import PlanWorker
from tests.fakes.plans import python_stage, small_plan
from tests.fakes.published import check_published, checked_lines

pytestmark = pytest.mark.integration
ROOT = Path(__file__).parents[2]
STAGE = f"""
import sys
sys.path.insert(0, {str(ROOT)!r})  # for the tests' own reader of numbers
from edgekit.stage import SceneEvent, Stage
from tests.fakes.numbered_clip import number_in


class Watch(Stage):
    stateless = False

    def __call__(self, frame):
        number = number_in(frame.image)
        if number % 100 == 60:
            frame.events += (SceneEvent(kind="crossed", place="door", label="person", track=number),)
        if number % 100 == 70:
            frame.events += (SceneEvent(kind="entered", place="yard", label="person", track=number),)
        return frame
"""
CLIPS = ClipSink(kind="clip", events=("crossed",), before_s=1.0, after_s=0.5, lane="all")


def plan_of(folder: Path, url: str) -> WorkerPlan:
    (folder / "app").mkdir()
    (folder / "app/watch.py").write_text(STAGE)
    write_numbered(folder / "belt.mp4", "hevc", 100, group=25)
    return small_plan(
        python_stage("watch", "watch:Watch"),
        sources={
            "gate": RtspSource(kind="rtsp", url=url, lane="all", stall_s=5.0, connect_s=30.0, backoff_s=1.0),
            "belt": FileSource(kind="file", path="belt.mp4", lane="all"),
        },
        sinks={"clips": CLIPS, "lines": JsonlSink(kind="jsonl", path="lines.jsonl", lane="all")},
        lanes={"all": LanePlan(cpus=tuple(sorted(os.sched_getaffinity(0)))[:1], queue=4, drop="block")},
    )


@pytest.fixture(scope="module")
def camera(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    file = write_numbered(tmp_path_factory.mktemp("camera") / "gate.h264", "h264", 400, group=25)
    with rtsp_server(str(file)) as server:
        yield server.url(0)


def clips(report: Report) -> SinkReport:
    return next(sink for sink in report.sinks if sink.name == "clips")


def check_clip(clip: Path, stream: str) -> None:
    note: dict[str, Any] = json.loads(clip.with_suffix(".json").read_text())
    check_published("clip", note)
    (event,) = note["events"]
    seen = numbers_in(clip)
    assert event["track"] in seen, "the picture that the event was seen in"
    assert event["kind"] == "crossed" and note["stream"] == stream
    at = seen.index(event["track"])
    assert 24 <= at <= 50, "a second before it, from a key picture on"
    assert abs(at / 25 - event["clip_s"]) < 0.5
    assert clip.name.endswith(f"Z_{stream}_crossed_door.mp4")


def test_clips_of_a_camera_and_of_a_recording_show_their_events(tmp_path: Path, camera: str) -> None:
    worker = PlanWorker(tmp_path, plan_of(tmp_path, camera), {})
    folder = tmp_path / "work/clips"
    try:
        report = worker.until_report(
            lambda one: (
                bool(one.sinks) and all(len(list(folder.glob(f"*_{name}_*.mp4"))) >= 2 for name in ("gate", "belt"))
            )
        )
        assert clips(report).sent >= 2 and clips(report).message == "" and clips(report).dropped == 0
        assert clips(report).held_bytes.keys() == {"gate", "belt"} and all(clips(report).held_bytes.values())
        worker.until_report(lambda one: 'edgekit_sink_held_bytes{sink="clips",stream="gate"}' in one.metrics)
    finally:
        worker.close()
    assert not list(folder.glob("*.part"))
    checked_lines(tmp_path / "work/lines.jsonl")
    found = sorted(folder.glob("*.mp4"))
    for stream in ("gate", "belt"):
        for clip in [file for file in found if f"_{stream}_" in file.name][:2]:
            check_clip(clip, stream)


def test_a_worker_that_is_killed_leaves_no_half_clip(tmp_path: Path, camera: str) -> None:
    plan = plan_of(tmp_path, camera)
    long = replace(plan, sinks={**plan.sinks, "clips": replace(CLIPS, after_s=600.0, longest_s=3600.0)})
    worker, folder = PlanWorker(tmp_path, long, {}), tmp_path / "work/clips"
    eventually(lambda: any(file.stat().st_size > 100_000 for file in folder.glob("*.part")))
    worker.process.kill()
    worker.process.wait(PATIENCE_S)
    assert list(folder.glob("*.part")) and not list(folder.glob("*.mp4"))
    again = PlanWorker(tmp_path, plan, {})
    try:
        again.until_report(lambda one: bool(one.sinks) and clips(one).sent >= 1)
    finally:
        again.close()
    assert not list(folder.glob("*.part"))
    for clip in folder.glob("*.mp4"):
        assert numbers_in(clip) and clip.with_suffix(".json").exists()


def test_a_worker_that_is_stopped_finishes_its_clips(tmp_path: Path, camera: str) -> None:
    plan = plan_of(tmp_path, camera)
    long = replace(plan, sinks={**plan.sinks, "clips": replace(CLIPS, after_s=600.0, longest_s=3600.0)})
    worker, folder = PlanWorker(tmp_path, long, {}), tmp_path / "work/clips"
    eventually(lambda: any(file.stat().st_size > 100_000 for file in folder.glob("*.part")))
    worker.close()
    assert not list(folder.glob("*.part"))
    (note, *_) = [json.loads(file.read_text()) for file in sorted(folder.glob("*.json"))]
    assert note["short"] == "the worker was stopped"
    assert numbers_in(folder / note["file"])
