"""A recipe's own source in a real worker: its numbers go to a real engine without a picture, and its answer is told."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from edgekit.schema.plan import EnginePlan, LanePlan, StagePlan
from edgekit.schema.recipe import ColourContract
from edgekit.schema.sink import JsonlSink
from edgekit.schema.source import PythonSource
from tests.fakes.networks import Network, save
from tests.fakes.plan_worker import PlanWorker
from tests.fakes.plans import python_stage, small_plan

pytestmark = pytest.mark.integration
_CODE = '''
import time

import numpy as np

from edgekit.stage import Frame, GivenPicture, PictureSource, RgbImage, Stage


class Microphone(PictureSource):
    """A tone each time, louder and louder; after every third it fails."""

    def pictures(self):
        for level in (1, 2, 3):
            wave = (level * np.sin(np.arange(256) / 4)).astype(np.float32)
            time.sleep(0.1)
            picture = RgbImage(pixels=np.zeros((16, 16, 3), np.uint8), order="RGB")
            yield GivenPicture(image=picture, inputs={"loud": {"images": wave.reshape(1, 1, 1, 256)}})
        time.sleep(0.5)  # what waits while its source is lost is dropped
        raise OSError("unplugged")


class Tell(Stage):
    def __call__(self, frame: Frame) -> Frame:
        frame.counts = {"loudness": int(frame.result("loud").outputs["out"].item())}
        return frame
'''


def test_a_source_that_is_no_camera_feeds_a_model_and_comes_back(tmp_path: Path) -> None:
    net = Network(0)
    net.node("ReduceMax", ["images"], "most", keepdims=0, axes=[1, 2, 3])
    net.node("Mul", ["most", net.constant(np.array([10.0]), "ten")], "out")
    save(net.model((1, 1, 1, 256), {"out": (1,)}), tmp_path / "loud.onnx")
    (tmp_path / "app").mkdir()
    (tmp_path / "app/sensor.py").write_text(_CODE)
    contract = ColourContract(width_px=256, height_px=1, order="GRAY")
    plan = small_plan(
        StagePlan(name="hear", kind="infer", lane="all", engine="loud", entry="", options={}),
        python_stage("tell", "sensor:Tell"),
        engines={"loud": EnginePlan(runner="onnxruntime", path="loud.onnx", input=contract, threads=1)},
        sources={"mic": PythonSource(kind="python", lane="all", entry="sensor:Microphone")},
        sinks={"log": JsonlSink(kind="jsonl", path="counts.jsonl", lane="all")},
        lanes={"all": LanePlan(cpus=(), queue=8, drop="block")},
    )
    worker = PlanWorker(tmp_path, plan, {})
    try:
        worker.until(lambda streams: streams["mic"].frames >= 6)
    finally:
        worker.close()
    lines = [json.loads(line) for line in (tmp_path / "work/counts.jsonl").read_text().splitlines()]
    heard = [line["counts"]["loudness"] for line in lines if line["event"] == "count"]
    assert heard[:6] == [9, 19, 29, 9, 19, 29]
    assert any(line["event"] == "down" and line["reason"] == "OSError: unplugged" for line in lines)
    assert "Traceback" in worker.log.read_text(), "the journal has it whole"
