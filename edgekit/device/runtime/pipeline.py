"""The pipeline of one application, made from its plan: feeds, lanes with their stages and sinks, and what they did."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

import cv2

from edgekit.device.runner import Runner
from edgekit.device.runtime.arguments import Arguments
from edgekit.device.runtime.failures import FailureLog
from edgekit.device.runtime.figures import LaneFigures
from edgekit.device.runtime.frames.leases import StreamLeases
from edgekit.device.runtime.frames.pool import PicturePool
from edgekit.device.runtime.graph import LaneNode, plan_graph
from edgekit.device.runtime.schedule.decide import StreamRule
from edgekit.device.runtime.schedule.lanes import Crew, Lane, LaneThread
from edgekit.device.runtime.schedule.rules import rule_of, rule_of_requests
from edgekit.device.runtime.schedule.steps import SinkStep, StageStep, Step
from edgekit.device.runtime.schedule.threads import PinnedThread
from edgekit.device.runtime.server.model import served_stream
from edgekit.device.runtime.sinks import Sink, TakesPackets, make_sink
from edgekit.device.runtime.sinks.context import SinkContext
from edgekit.device.runtime.sources.feed import Feed
from edgekit.device.runtime.sources.opening import open_source
from edgekit.device.runtime.sources.packets import PacketTap
from edgekit.device.runtime.sources.source import FrameSource
from edgekit.device.runtime.stages import check_threads
from edgekit.device.runtime.stages.factory import StageFactory
from edgekit.device.runtime.streams import PipelineFigures
from edgekit.errors import EdgekitError
from edgekit.schema.source import RecipeSource

_STOP_S = 2.0

Drops = dict[tuple[str, str, str], int]
"""Frames by stream, place and cause."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ends:
    """Where a pipeline's frames come from, and where its results go."""

    sources: Mapping[str, FrameSource]
    sinks: Mapping[str, Sink]


class OpensSource(Protocol):
    """Opens a source of a plan; see `open_source`."""

    def __call__(self, name: str, source: RecipeSource, release: Path, tap: PacketTap | None = None, /) -> FrameSource:
        """Open it."""


def open_ends(
    factory: StageFactory, arguments: Arguments, figures: PipelineFigures, opens: OpensSource = open_source
) -> Ends:
    """Open the sources and sinks of a plan.

    Args:
        factory: has the plan, and the release's folder.
        arguments: the worker's.
        figures: sinks count there.
        opens: opens each source.

    Raises:
        InputError: one cannot be opened.
    """
    plan, release = factory.plan, factory.release
    sinks = {
        name: make_sink(
            SinkContext(
                name=name,
                plan=plan,
                release=release,
                work=arguments.work,
                figures=figures,
                preview=arguments.preview,
            )
        )
        for name in plan.sinks
    }
    keeping = [sink for sink in sinks.values() if isinstance(sink, TakesPackets)]
    sources: dict[str, FrameSource] = {}
    for name, source in plan.sources.items():
        takers = [taker for sink in keeping if (taker := sink.taker(name)) is not None]
        sources[name] = opens(name, source, release, PacketTap(name, takers) if takers else None)
    return Ends(sources=sources, sinks=sinks)


class Pipeline:
    """Streams through lanes to the sinks."""

    def __init__(
        self,
        factory: StageFactory,
        ends: Ends,
        figures: PipelineFigures,
        clock: Callable[[], float] = time.monotonic,
        *,
        of_thread: Callable[[str, Callable[[], float]], LaneFigures] = LaneFigures,
    ) -> None:
        """Make everything; no thread runs yet.

        Args:
            factory: makes its stages, of a plan.
            ends: its sources and sinks.
            figures: what leaves it is counted there.
            clock: monotonic seconds.
            of_thread: makes what counts the work of each thread.

        Raises:
            InputError: a stage cannot be made, or not for several threads.
        """
        check_threads(factory.plan)
        cv2.setNumThreads(0)  # its pool would run beside the lanes
        self.figures = figures
        self._factory, self._ends, self._clock, self._of_thread = factory, ends, clock, of_thread
        for name, source in ends.sources.items():
            figures.add(name, source.info, factory.plan.sources[name].max_fps)
        graph = plan_graph(factory.plan)
        limits = factory.plan.limits
        self.pool = PicturePool(limits.pictures_max, clock)
        """Memory for pictures that outlive their frames."""
        lanes = {node.name: self._lane(node, entry=node.name in graph.entry) for node in graph.lanes}
        for node in graph.lanes:
            lanes[node.name].lead_to(*(lanes[name] for name in node.following))
        self.lanes = tuple(lanes.values())
        """In the order in which a frame passes them."""
        self.feeds = tuple(self._feed(name, [lanes[lane] for lane in graph.entry]) for name in ends.sources)

    def start(self) -> None:
        """Start the threads, those that take before those that give.

        Raises:
            InputError: one may not run on its CPUs.
        """
        for thread in self.threads[::-1]:
            thread.start()

    @property
    def sinks(self) -> tuple[Sink, ...]:
        """Where results go."""
        return tuple(self._ends.sinks.values())

    @property
    def workers(self) -> tuple[Feed | LaneThread, ...]:
        """Everything that is a thread, in the order in which a frame passes them."""
        return (*self.feeds, *(thread for lane in self.lanes for thread in lane.threads))

    @property
    def threads(self) -> tuple[PinnedThread, ...]:
        """Of feeds and lanes."""
        return tuple(worker.thread for worker in self.workers)

    def is_busy(self) -> bool:
        """Whether a thread is inside a decoder, a stage or a sink."""
        return any(worker.figures.call is not None for worker in self.workers)

    @property
    def runners(self) -> Mapping[str, Runner]:
        """The loaded engines, by model."""
        return self._factory.runners

    @property
    def ended(self) -> bool:
        """Whether every stream has ended and everything went through."""
        return all(lane.ended.is_set() for lane in self.lanes)

    def idle_s(self) -> float:
        """Since a frame last reached a sink, while there were some to come; 0 once everything went through."""
        return self.figures.idle_s(frozenset[str]().union(*(lane.left for lane in self.lanes)))

    @property
    def failure(self) -> EdgekitError | None:
        """Why it cannot go on: a thread that ended before its time; a stream that failed, where no other is left."""
        for thread in self.threads:
            if thread.failure is not None:
                return thread.failure
        failed = [stream for stream in self.figures.streams.values() if stream.state == "failed"]
        if failed and self.ended:
            message = f"source {failed[0].name}: {failed[0].message}"
            return EdgekitError(message, hint="see the log", cause=failed[0].cause)
        return None

    def drops(self) -> Drops:
        """Frames that did not reach the sinks, or not all of them."""
        found: Drops = {}
        for lane in self.lanes:
            for (stream, cause), count in lane.queues.drops().items():
                found[stream, lane.name, cause] = count
        for worker in self.workers:
            for key, count in list(worker.figures.drops.items()):
                found[key] = found.get(key, 0) + count
        return found

    def stop(self, within_s: float = _STOP_S) -> bool:
        """End all threads and close everything; False where one is still inside a stage after `within_s`."""
        for feed in self.feeds:
            feed.source.stop()
            feed.leases.close()
        for lane in self.lanes:
            lane.queues.close()
        deadline_s = self._clock() + within_s
        stuck = {thread for thread in self.threads if not thread.join(max(0.05, deadline_s - self._clock()))}
        lane_threads = (one.thread for lane in self.lanes for one in lane.threads)
        if stuck.isdisjoint(lane_threads):  # a camera that is being opened keeps no sink open
            for lane in self.lanes:
                lane.close()
            try:
                self._factory.close()
            except (Exception, SystemExit) as error:  # as where a stage is closed: all else is closed too
                FailureLog("pipeline", self._clock).write("failed to close what stages share", error)
            for feed in self.feeds:
                if feed.thread not in stuck:
                    feed.source.close()
        return not stuck

    def _feed(self, name: str, entry: list[Lane]) -> Feed:
        plan = self._factory.plan
        lane = plan.sources[name].lane
        return Feed(
            name=f"{lane}/{name}",
            cpus=plan.lanes[lane].cpus,
            source=self._ends.sources[name],
            following=tuple(entry),
            stream=self.figures.streams[name],
            leases=StreamLeases(name, self._most_leases(), self.pool, self._clock),
            lanes=self.lanes,
            advisory=plan.limits.advisory,
            clock=self._clock,
            of_thread=self._of_thread,
        )

    def _most_leases(self) -> int:
        """How many frames of one stream can be under way: every queue full, every thread at work."""
        return 1 + sum(lane.plan.queue + lane.plan.threads for lane in self.lanes)

    def _lane(self, node: LaneNode, *, entry: bool) -> Lane:
        plan = self._factory.plan
        lane = plan.lanes[node.name]
        return Lane(
            name=node.name,
            plan=lane,
            streams=frozenset(self._ends.sources),
            crews=tuple(self._crew(node, number) for number in range(lane.threads)),
            rules={name: rule_of(source) for name, source in plan.sources.items()},
            served=self._served(node.name),
            live=frozenset(name for name, source in self._ends.sources.items() if source.live and entry),
            expected_s={
                (one.width_px, one.height_px): one.lanes_ms[node.name] / 1000
                for one in plan.costs
                if node.name in one.lanes_ms
            },
            failed=lambda stream: self.figures.streams[stream].fail(),
            advisory=plan.limits.advisory,
            clock=self._clock,
        )

    def _served(self, lane: str) -> dict[str, StreamRule]:
        """Streams of requests that a lane runs beside its frames."""
        plan = self._factory.plan
        if plan.serve is None:
            return {}
        rule = rule_of_requests(plan.serve)
        return {served_stream(model): rule for model, runs in plan.served.items() if runs == lane}

    def _crew(self, node: LaneNode, number: int) -> Crew:
        figures = self._of_thread(f"{node.name}.{number + 1}" if number else node.name, self._clock)
        stages: list[Step] = [self._stage_step(name) for name in node.stages]
        return Crew(steps=(*stages, *(self._sink_step(name, figures) for name in node.sinks)), figures=figures)

    def _stage_step(self, name: str) -> StageStep:
        plan = next(stage for stage in self._factory.plan.stages if stage.name == name)
        step = StageStep(name, partial(self._factory.make, plan), self._clock)
        for source in self._ends.sources.values():
            if source.info is not None:
                step.prepare(source.info)
        return step

    def _sink_step(self, name: str, figures: LaneFigures) -> SinkStep:
        return SinkStep(name, self._ends.sinks[name], taken=self.figures.arrive, figures=figures, clock=self._clock)
