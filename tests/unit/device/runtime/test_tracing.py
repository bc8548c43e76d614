"""A running pipeline is recorded for a while: real threads, real lanes, and a slot that really waits."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edgekit.device.runner.loaded import LoadedEngine, Runner
from edgekit.device.runner.tensors import InputBuffers, Tensors, TensorSpec, plain_inputs
from edgekit.device.runtime.pipeline import Ends, Pipeline
from edgekit.device.runtime.schedule.accelerator import SharedAccelerator
from edgekit.device.runtime.schedule.decide import StreamRule
from edgekit.device.runtime.schedule.replay import replay
from edgekit.device.runtime.streams import PipelineFigures
from edgekit.device.runtime.tracing import Traced, Tracing
from edgekit.schema.trace import TRACE_FILE, TraceKind, TraceQuestion, TraceRecord, unpack_record
from edgekit.stage import Frame
from tests.fakes.eventually import eventually
from tests.fakes.pipelines import FakeFactory, FakeSink, FakeSource

SPEC = TensorSpec(name="x", shape=(1,), dtype=np.dtype(np.float32))


class WaitingContext:
    """A slot of an accelerator that takes a millisecond."""

    def __init__(self) -> None:
        self.inputs = plain_inputs((SPEC,))

    def accepts(self, inputs: InputBuffers) -> bool:
        return True

    def start(self, inputs: InputBuffers) -> None:
        pass

    def finish(self) -> Tensors:
        time.sleep(0.001)
        return self.inputs.arrays

    def cancel(self) -> None:
        pass


@pytest.fixture
def traced(tmp_path: Path) -> Iterator[Traced]:
    """Two streams without end through a lane with a slot, into a sink."""
    runner = Runner(
        LoadedEngine(
            inputs=(SPEC,), outputs=(SPEC,), picture="x", contexts=(WaitingContext(),), close=lambda: None, hint=""
        )
    )

    def infer(frame: Frame) -> Frame:
        runner.infer({"x": np.zeros(1, np.float32)})
        return frame

    sources = [FakeSource(name, 10**9, before=lambda: time.sleep(0.001)) for name in ("north", "south")]
    factory = FakeFactory({"infer": infer}, ["north", "south"], {"out": "out"}, queue=2)
    factory.runners["detector"] = runner
    ends = Ends(sources={source.name: source for source in sources}, sinks={"out": FakeSink()})
    pipeline = Pipeline(factory, ends, PipelineFigures())
    pipeline.start()
    yield Traced(application="gate", pipeline=pipeline, work=tmp_path)
    assert pipeline.stop()
    runner.close()


def written(tracing: Tracing, traced: Traced, number: int, seconds: float = 0.5) -> TraceRecord:
    tracing.ask(TraceQuestion(number=number, seconds=seconds))
    eventually(lambda: tracing.report is not None and tracing.report.state != "recording")
    assert tracing.report is not None
    content = (traced.work / TRACE_FILE).read_bytes()
    assert (tracing.report.state, tracing.report.number, tracing.report.bytes) == ("written", number, len(content))
    return unpack_record(content)


def test_a_running_pipeline_is_recorded_and_decides_the_same_again(traced: Traced) -> None:
    record = written(Tracing(traced), traced, 1)
    kinds = Counter(kind for kind, _ in record.entries())
    assert kinds.keys() >= {
        TraceKind.CAME,
        TraceKind.WORKED,
        TraceKind.STEP,
        TraceKind.SLOT,
        TraceKind.BEGAN,
        TraceKind.ENDED,
        TraceKind.DECIDED,
    }
    reply = replay(record)
    assert reply.decisions == kinds[TraceKind.DECIDED] and reply.differences == ()
    header = record.header
    assert header.application == "gate" and header.seconds >= 0.5 and not header.full
    assert list(header.threads) == ["camera/north", "camera/south", "infer", "out"]
    assert all(header.threads.values())
    steps = {(record.name(n[2]), record.name(n[3])) for kind, n in record.entries() if kind is TraceKind.STEP}
    assert steps >= {("camera/north", "decode"), ("infer", "infer"), ("out", "out")}
    slots = [numbers for kind, numbers in record.entries() if kind is TraceKind.SLOT]
    assert all(
        record.name(engine) == "detector" and slot == 0 and took_s >= 0.001 for _, took_s, _, engine, slot in slots
    )
    ends_s = header.began_s + header.seconds
    assert all(
        header.began_s - 1 < numbers[0] <= ends_s for kind, numbers in record.entries() if kind is TraceKind.WORKED
    )


def test_nothing_is_recorded_before_and_after(traced: Traced) -> None:
    tracing = Tracing(traced)
    pipeline = traced.pipeline

    def recorders() -> list[object]:
        return [
            *(lane.queues.recorder for lane in pipeline.lanes),
            *(lane.scheduler.recorder for lane in pipeline.lanes),
            *(worker.figures.recorder for worker in pipeline.workers),
        ]

    assert set(recorders()) == {None} and tracing.report is None
    tracing.ask(TraceQuestion(number=1, seconds=30.0))
    eventually(lambda: None not in recorders())
    tracing.ask(TraceQuestion(number=2, seconds=30.0))
    assert tracing.report is not None and tracing.report.number == 1, "one at a time"
    tracing.stop()
    assert set(recorders()) == {None} and tracing.report.state == "written"
    record = unpack_record((traced.work / TRACE_FILE).read_bytes())
    assert record.header.seconds < 30


def test_a_record_ends_early_where_it_is_full(traced: Traced) -> None:
    record = written(Tracing(traced, most_bytes=20_000), traced, 3, seconds=300.0)
    assert record.header.full and record.header.seconds < 300 and len(record.numbers) * 8 <= 20_000
    assert replay(record).differences == ()


def test_a_record_that_cannot_be_written_is_told_and_the_next_one_can(traced: Traced) -> None:
    tracing = Tracing(traced)
    taken = traced.work / TRACE_FILE
    taken.mkdir()
    (taken / "full").touch()
    tracing.ask(TraceQuestion(number=4, seconds=0.1))
    eventually(lambda: tracing.report is not None and tracing.report.state == "failed")
    assert tracing.report is not None and "irectory" in tracing.report.message
    assert [file.name for file in traced.work.iterdir()] == [TRACE_FILE], "nothing half is left"
    (taken / "full").unlink()
    taken.rmdir()
    assert written(tracing, traced, 5, seconds=0.1).header.application == "gate"


def test_decisions_about_a_shared_accelerator_are_recorded_too(traced: Traced) -> None:
    accelerator = SharedAccelerator("npu", 1, {"detector": StreamRule(), "other": StreamRule(patience=4.0)})
    tracing = Tracing(replace(traced, accelerators=(accelerator,)))
    tracing.ask(TraceQuestion(number=6, seconds=30.0))
    eventually(lambda: accelerator.scheduler.recorder is not None)
    for engine in ("detector", "other", "detector"):
        gate = accelerator.gate(engine)
        place = gate.enter((), 1.0, lambda: False)
        assert place == 0
        gate.leave(place, 0.01)
    tracing.stop()
    assert accelerator.scheduler.recorder is None
    record = unpack_record((traced.work / TRACE_FILE).read_bytes())
    decided = [record.name(numbers[1]) for kind, numbers in record.entries() if kind is TraceKind.DECIDED]
    assert decided.count("accelerator npu") == 3
    assert record.header.lanes[-1].streams[1].patience == 4.0
    assert replay(record).differences == ()
