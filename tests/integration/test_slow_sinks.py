"""One fast sink beside one of each kind that hangs: no frame is lost, and the worker says what is wrong and stops."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from edgekit.schema.plan import LanePlan
from edgekit.schema.sink import ClipSink, JsonlSink, MqttSink, PythonSink, WebhookSink
from edgekit.schema.source import FileSource
from tests.fakes.numbered_clip import write_numbered
from tests.fakes.plan_worker import PlanWorker
from tests.fakes.plans import python_stage, small_plan
from tests.fakes.published import checked_lines
from tests.fakes.web_server import web_server

pytestmark = pytest.mark.integration
CODE = """
import threading
from edgekit.stage import ResultSink, SceneEvent, Stage


class Watch(Stage):
    def __call__(self, frame):
        frame.events += (SceneEvent(kind="crossed", place="door", label="person", track=frame.sequence),)
        return frame


class Hang(ResultSink):
    def __call__(self, result):
        threading.Event().wait()
"""


def test_sinks_that_hang_cost_a_fast_one_nothing(tmp_path: Path) -> None:
    (tmp_path / "app").mkdir()
    (tmp_path / "app/own.py").write_text(CODE)
    write_numbered(tmp_path / "belt.mp4", "h264", 200, fps=50)
    (tmp_path / "work").mkdir()
    (tmp_path / "work/clips").write_text("a file stands where the folder should be")
    with web_server() as silent, web_server() as server:
        server.how = "drips"
        plan = small_plan(
            python_stage("watch", "own:Watch"),
            sources={"belt": FileSource(kind="file", path="belt.mp4", lane="all", loops=1)},
            sinks={
                "broker": MqttSink(kind="mqtt", host="127.0.0.1", port=silent.port, lane="all"),
                "alarm": WebhookSink(kind="webhook", url=server.url, timeout_s=1.0, lane="all"),
                "clips": ClipSink(kind="clip", lane="all"),
                "own": PythonSink(kind="python", entry="own:Hang", queue=10, lane="all"),
                "lines": JsonlSink(kind="jsonl", path="lines.jsonl", lane="all"),
            },
            lanes={"all": LanePlan(cpus=tuple(sorted(os.sched_getaffinity(0)))[:1], queue=4, drop="block")},
        )
        worker = PlanWorker(tmp_path, plan, {})
        last = None
        try:
            for report in worker.reports():
                last = report
        finally:
            worker.close()
    assert last is not None and worker.process.returncode == 0, worker.log.read_text()
    (stream,) = last.streams
    assert (stream.frames, [drop for drop in stream.drops if drop.count]) == (200, [])
    lines = checked_lines(tmp_path / "work/lines.jsonl")
    assert [line["track"] for line in lines if line["event"] == "crossed"] == [*range(200)]
    told = {sink.name: sink for sink in last.sinks}
    assert told["alarm"].message.startswith("server 127.0.0.1 cannot be had: no answer in time")
    assert (told["alarm"].waiting, told["broker"].waiting) == (200, 200)
    assert told["own"].dropped >= 180
    assert told["clips"].message.startswith("clips cannot be written")
