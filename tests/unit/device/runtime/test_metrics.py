"""The worker's figures as Prometheus reads them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from prometheus_client.parser import text_string_to_metric_families

from edgekit.device.runner.onnxruntime import open_runner
from edgekit.device.runtime.metrics import metrics_text
from edgekit.schema.plan import EnginePlan
from edgekit.schema.recipe import ColourContract
from edgekit.stage import Frame
from tests.fakes.clock import Clock
from tests.fakes.frames import frame
from tests.fakes.networks import save, two_by_two
from tests.fakes.pipelines import FakeFactory, FakeSink, FakeSource, fake_pipeline, play


def test_every_figure_is_there_with_its_labels() -> None:
    clock = Clock()

    def count(frame: Frame) -> Frame | None:
        clock.advance(0.02)
        frame.counts = {"red disc": 4}
        return None if frame.sequence == 2 else frame

    entries = [frame(number, "a", captured_s=clock()) for number in range(3)]
    pipeline = fake_pipeline([FakeSource("a", entries=entries)], {"out": FakeSink()}, {"count": count}, clock)
    play(pipeline)
    pipeline.lanes[1].queues.put(frame(9, "a"))
    found = {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(metrics_text(pipeline))
        for sample in family.samples
    }
    assert found["edgekit_frames_total", "a"] == 2
    assert found["edgekit_stream_passes_total", "a"] == found["edgekit_stream_reconnects_total", "a"] == 0
    assert found["edgekit_stream_state", "a", "ended"] == 1 and found["edgekit_stream_state", "a", "live"] == 0
    assert found["edgekit_stream_info", "", "640x360", "BT.709 limited", "a"] == 1
    assert found["edgekit_stream_wanted_fps", "a"] == 10
    assert found["edgekit_count", "a", "red disc"] == 4
    assert found["edgekit_dropped_total", "a", "count", "stage"] == 1
    assert found["edgekit_lane_queue", "a", "out"] == 1 and found["edgekit_lane_queue", "a", "count"] == 0
    assert found["edgekit_lane_threads", "out"] == 1
    assert round(found["edgekit_lane_busy_seconds_total", "count"], 3) == 0.06
    latency = "edgekit_frame_latency_seconds"
    bounds = {labels[0]: value for (name, *labels), value in found.items() if name == f"{latency}_bucket"}
    assert (bounds["0.01"], bounds["0.025"], bounds["0.05"], bounds["+Inf"]) == (0, 1, 2, 2), "each holds those before"
    assert round(found[f"{latency}_sum", "a"], 3) == 0.06
    assert found["edgekit_stage_seconds_count", "count", "count"] == 3


def test_slots_of_an_engine_are_counted_while_they_are_taken(tmp_path: Path) -> None:
    contract = ColourContract(width_px=96, height_px=96, order="RGB")
    plan = EnginePlan(runner="onnxruntime", path="m.onnx", input=contract, picture="images", threads=1)
    runner = open_runner(plan, save(two_by_two(), tmp_path / "m.onnx"), slots=2)
    factory = FakeFactory({}, ["a"], {"out": "out"})
    factory.runners["net"] = runner
    pipeline = fake_pipeline([FakeSource("a")], {"out": FakeSink()}, factory=factory)
    runner.infer({spec.name: np.ones(spec.shape, spec.dtype) for spec in runner.inputs})
    slot = runner.take()
    found = {
        sample.name: sample.value
        for family in text_string_to_metric_families(metrics_text(pipeline))
        for sample in family.samples
        if sample.labels.get("model") == "net"
    }
    assert (found["edgekit_slots"], found["edgekit_slots_taken"], found["edgekit_inferences_total"]) == (2, 1, 2)
    assert found["edgekit_slot_busy_seconds_total"] > 0
    assert "edgekit_engine_memory_bytes" not in found, "a CPU's is the worker's own"
    slot.release()
    assert runner.use.taken == 0
    runner.close()
