"""The pipeline of one application, put together from its plan: source, lanes with their stages, sinks."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import cv2

from edgekit.device.runtime.figures import Outcome
from edgekit.device.runtime.frames.item import EndOfPass, Item
from edgekit.device.runtime.parts import Parts, make_stage
from edgekit.device.runtime.schedule.lanes import Lane, Step
from edgekit.device.runtime.sinks.kinds import Sink, make_sink
from edgekit.device.runtime.sources.file import FileSource
from edgekit.device.runtime.stages import Stage, close_stage
from edgekit.errors import InputError
from edgekit.schema.plan import WorkerPlan

_STOP_S = 2.0


class Pipeline:
    """One source through lanes to the sinks."""

    def __init__(self, parts: Parts, work: Path, outcome: Outcome) -> None:
        """Make everything; no thread runs yet.

        Raises:
            InputError: a source, stage or sink cannot be made.
        """
        plan = parts.plan
        cv2.setNumThreads(0)  # its pool would run beside the lanes
        if len(plan.sources) != 1:
            raise InputError(f"the pipeline has {len(plan.sources)} sources", hint="this edgekit takes one")
        name, source = next(iter(plan.sources.items()))
        self.outcome = outcome
        self.source = FileSource(name, source, parts.release)
        self._sinks = {
            sink: make_sink(sink_plan, parts.release, work, outcome) for sink, sink_plan in plan.sinks.items()
        }
        self._stages = [make_stage(stage, parts, self.source.spec, self.source.fps) for stage in plan.stages]
        self.lanes = self._chain(plan, source.lane)
        self.lanes[0].source = self.source.entries
        self.lanes[-1].done = self._finish

    def start(self) -> None:
        """Start the lanes, the last one first, so that whoever hands on finds somebody there."""
        for lane in reversed(self.lanes):
            lane.start()

    @property
    def ended(self) -> bool:
        """Whether the source has ended and everything went through."""
        return self.lanes[-1].ended.is_set()

    def stop(self) -> bool:
        """End all lanes; False where one is still inside a stage."""
        self.source.stop()
        for lane in self.lanes:
            lane.queue.close()
        deadline = time.monotonic() + _STOP_S
        stuck = [lane for lane in self.lanes if not lane.join(max(0.05, deadline - time.monotonic()))]
        if not stuck:
            for stage in self._stages:
                close_stage(stage)
            for sink in self._sinks.values():
                sink.close()
            self.source.close()
        return not stuck

    def _chain(self, plan: WorkerPlan, first: str) -> list[Lane]:
        """Lanes in the order in which items pass them, each with its steps."""
        steps = [
            (stage.lane, self._stage_step(made, stage.name))
            for stage, made in zip(plan.stages, self._stages, strict=True)
        ]
        steps += [(plan.sinks[name].lane, _sink_step(name, sink)) for name, sink in self._sinks.items()]
        lanes = [self._lane(plan, first)]
        for name, step in steps:
            if name != lanes[-1].name:
                if name in [lane.name for lane in lanes]:
                    raise InputError(f"lane {name} is used twice, with others between", hint="order the stages by lane")
                lanes.append(self._lane(plan, name))
                lanes[-2].following = lanes[-1].queue
            lanes[-1].steps.append(step)
        return lanes

    @staticmethod
    def _lane(plan: WorkerPlan, name: str) -> Lane:
        return Lane(name=name, plan=plan.lanes[name], advisory=plan.limits.advisory)

    @staticmethod
    def _stage_step(stage: Stage, name: str) -> Step:
        reset: Callable[[], None] = getattr(stage, "reset", lambda: None)
        return Step(name=name, call=stage, end_of_pass=lambda _end: reset())

    def _finish(self, item: Item) -> None:
        now_s = time.monotonic()
        self.outcome.finish(now_s, now_s - item.captured_s, item.counts)


def _sink_step(name: str, sink: Sink) -> Step:
    def take(item: Item) -> Item:
        sink.take(item)
        return item

    def end(end: EndOfPass) -> None:
        sink.end_of_pass(end)

    return Step(name=name, call=take, end_of_pass=end)
