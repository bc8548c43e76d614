"""What each rung does to a running pipeline, and that all of it is as it was once it is taken back."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from edgekit.device.runtime.figures import PressureFigures
from edgekit.device.runtime.pipeline import Pipeline
from edgekit.device.runtime.pressure.desk import PressureDesk
from edgekit.device.runtime.pressure.ladder import LadderStep, Rung
from edgekit.device.runtime.pressure.relief import CanDoWithout, PipelineRelief
from edgekit.device.runtime.reporting import RunningReports
from edgekit.device.runtime.sinks.clip import ClipRecorder
from edgekit.device.runtime.sinks.preview.sink import PreviewPlayer
from edgekit.schema.order import MemoryReading
from edgekit.schema.plan import WorkerPlan
from edgekit.schema.pressure import RELIEFS, Pressure, Relief
from tests.fakes.clock import Clock
from tests.fakes.frames import frame
from tests.fakes.pipelines import FakeSink, FakeSource, fake_pipeline


class Keeping(FakeSink):
    def __init__(self, relief: Relief) -> None:
        super().__init__()
        self.relief: Relief = relief
        self.tight: list[bool] = []

    def do_without(self, *, tight: bool) -> None:
        self.tight.append(tight)


class Live(FakeSource):
    def __init__(self, name: str) -> None:
        super().__init__(name, entries=[frame(number, name, captured_s=number / 10) for number in range(100)])
        self.live = True
        self.alone: list[bool] = []

    def leave(self, *, alone: bool) -> None:
        self.alone.append(alone)


def site(*names: str) -> tuple[Pipeline, PipelineRelief, WorkerPlan, Keeping]:
    sink = Keeping("clips")
    pipeline = fake_pipeline([Live(name) for name in names], {"out": sink}, {"see": lambda one: one})
    plan = pipeline._factory.plan
    return pipeline, PipelineRelief(pipeline), replace(plan, pressure=Pressure(order=RELIEFS)), sink


def down(relief: PipelineRelief, *rungs: Rung) -> None:
    relief.act(LadderStep(rungs[-1], down=True), rungs)


def up(relief: PipelineRelief, rung: Rung, *left: Rung) -> None:
    relief.act(LadderStep(rung, down=False), left)


def test_what_no_sink_keeps_is_no_rung() -> None:
    _, relief, plan, _ = site("a", "b")
    found = [str(rung) for rung in relief.rungs(plan)]
    assert found == ["clips", "fps 1/2", "fps 1/4", "fps 1", "queue", "resolution", "shed b"], "nobody has a preview"
    assert relief.rungs(replace(plan, pressure=Pressure())) == ()


@pytest.mark.parametrize("kind", [ClipRecorder, PreviewPlayer])
def test_the_sinks_that_there_are_can_do_without(kind: Any) -> None:
    assert issubclass(kind, FakeSink) or hasattr(kind, "do_without")
    assert isinstance(kind.__new__(kind), CanDoWithout)


def test_clips() -> None:
    _, relief, _, sink = site("a")
    down(relief, Rung("clips"))
    up(relief, Rung("clips"))
    assert sink.tight == [True, False]


def test_rates_go_down_with_each_rung_and_up_the_same_way() -> None:
    pipeline, relief, _, _ = site("a")
    rungs = (Rung("fps", share=0.5), Rung("fps", share=0.25))

    def passes() -> int:
        feed = pipeline.feeds[0]
        return sum(bool(feed.easing.ease(frame(0, "a", captured_s=n / 10), feed.figures)) for n in range(1000, 1100))

    down(relief, rungs[0])
    assert passes() == 50
    down(relief, *rungs)
    assert passes() == pytest.approx(25, abs=1)
    up(relief, rungs[1], rungs[0])
    assert passes() == 50
    up(relief, rungs[0])
    assert not pipeline.feeds[0].easing.active


def test_queues_are_narrow_and_wide_again() -> None:
    pipeline, relief, _, _ = site("a")
    lane = pipeline.lanes[0]
    entries = pipeline.feeds[0].source.entries(pipeline.feeds[0].figures)
    for _ in range(5):
        pipeline.feeds[0].turn(entries)
    assert len(lane.queues) == 4
    down(relief, Rung("queue"))
    assert len(lane.queues) == 0, "what waits of a camera is given up at once"
    for _ in range(5):
        pipeline.feeds[0].turn(entries)
    assert len(lane.queues) == 1
    up(relief, Rung("queue"))
    for _ in range(5):
        pipeline.feeds[0].turn(entries)
    assert len(lane.queues) == 6
    assert pipeline.drops()["a", "see", "pressure"] == 4


def test_the_stream_that_is_shed_is_left_alone_and_the_others_go_on() -> None:
    pipeline, relief, _, _ = site("a", "b")
    down(relief, Rung("shed", stream="b"))
    sources: list[Any] = [feed.source for feed in pipeline.feeds]
    assert [one.alone for one in sources] == [[], [True]]
    assert [feed.easing.active for feed in pipeline.feeds] == [False, True]
    up(relief, Rung("shed", stream="b"))
    assert sources[1].alone == [True, False] and not pipeline.feeds[1].easing.active


def test_memory_that_lies_idle_goes_back_with_the_first_step() -> None:
    pipeline, relief, _, _ = site("a")
    pipeline.pool.copy(frame().image, "somebody")
    assert pipeline.pool.bytes > 0
    down(relief, Rung("clips"))
    assert pipeline.pool.bytes == 0


def test_a_report_and_the_metrics_say_what_is_missing_and_why() -> None:
    pipeline, relief, plan, _ = site("a", "b")
    clock = Clock()
    reports = RunningReports(pipeline, "", clock)
    assert reports.make().pressure is None
    figures: PressureFigures = pipeline.figures.pressure
    desk = PressureDesk(relief.rungs(plan), relief.act, figures, clock)
    reading = MemoryReading(used_bytes=99 << 20, begin_bytes=85 << 20, end_bytes=75 << 20, limit_bytes=100 << 20)
    for _ in range(2):
        desk.see(reading)
        clock.advance(1.0)
    for _ in range(5):
        report = reports.make()
    assert report.pressure is not None
    assert (report.pressure.taken, report.pressure.steps) == (("clips", "fps 1/2"), {"clips": 1, "fps": 1})
    assert report.pressure.cause == "memory is tight, 99.0 MiB of 100.0 MiB are used" and report.pressure.since_s == 1.0
    assert "memory is tight: goes without clips, fps 1/2" in report.message
    assert "edgekit_pressure_taken 2.0" in report.metrics
    assert 'edgekit_pressure_steps_total{relief="clips"} 1.0' in report.metrics
