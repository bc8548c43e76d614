"""Gives up what a rung of the ladder names, and takes it back. Each act is over in a moment, on whatever thread."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from edgekit.device.runtime.pipeline import Pipeline
from edgekit.device.runtime.pressure.ladder import LadderStep, Rung, rungs_of
from edgekit.device.runtime.sources.easing import PRESSURE
from edgekit.schema.plan import WorkerPlan
from edgekit.schema.pressure import Relief


@runtime_checkable
class CanDoWithout(Protocol):
    """A sink that keeps something in memory which the application can do without for a while."""

    relief: Relief
    """What the ladder calls that."""

    def do_without(self, *, tight: bool) -> None:
        """Give it up, or have it again. From any thread."""


class PipelineRelief:
    """Acts on one pipeline."""

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline

    def rungs(self, plan: WorkerPlan) -> tuple[Rung, ...]:
        """The steps that there are: what no sink of this plan keeps cannot be given up."""
        there = {sink.relief for sink in self._pipeline.sinks if isinstance(sink, CanDoWithout)}
        order = tuple(one for one in plan.pressure.order or () if one not in ("clips", "preview") or one in there)
        return rungs_of(order, [(name, source.priority) for name, source in plan.sources.items()])

    def act(self, step: LadderStep, taken: tuple[Rung, ...]) -> None:
        """Make a step.

        Args:
            step: what to give up, or to take back.
            taken: all that is given up once it is made.
        """
        down = step.down
        match step.rung.relief:
            case "clips" | "preview" as relief:
                self._sinks(relief, tight=down)
            case "fps":
                shares = [rung.share for rung in taken if rung.relief == "fps"]
                for feed in self._pipeline.feeds:
                    feed.easing.keep_share(shares[-1] if shares else None, feed.stream.wanted_fps)
            case "queue":
                self._queues(tight=down)
            case "resolution":
                for feed in self._pipeline.feeds:
                    feed.easing.halve(wanted=down)
            case "shed":
                next(one for one in self._pipeline.feeds if one.stream.name == step.rung.stream).leave(alone=down)
        if down:
            self._pipeline.pool.drop_idle()

    def _queues(self, *, tight: bool) -> None:
        """A queue of one frame; a camera's that wait are given up at once, a recording's go their way."""
        for lane in self._pipeline.lanes:
            lane.queues.most = 1 if tight else lane.plan.queue
            for feed in self._pipeline.feeds if tight else ():
                if feed.source.live:
                    lane.queues.forget(feed.stream.name, PRESSURE)

    def _sinks(self, relief: Relief, *, tight: bool) -> None:
        for sink in self._pipeline.sinks:
            if isinstance(sink, CanDoWithout) and sink.relief == relief:
                sink.do_without(tight=tight)
