"""One run of a plan on a virtual clock. Pure."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping
from math import inf

from edgekit.device.runtime.forecast.costs import LaneSteps, StepCosts
from edgekit.device.runtime.forecast.lanes import Surroundings, ToldCamera, ToldLane
from edgekit.device.runtime.forecast.processors import Clock, Cpus, Slots
from edgekit.device.runtime.frames.leases import NO_LEASE, StreamLeases
from edgekit.device.runtime.frames.pool import PicturePool
from edgekit.device.runtime.graph import LaneNode, plan_graph
from edgekit.device.runtime.schedule.rules import rule_of
from edgekit.schema.forecast import MAX_SPANS, ForecastRequest, Span
from edgekit.schema.plan import WorkerPlan
from edgekit.schema.profile import DECODE, SizeProfile
from edgekit.schema.source import FileSource, ImagesSource, PythonSource, RecipeSource, SyntheticSource
from edgekit.stage import Frame

_WARM_S = 1.0
"""Frames of the first second do not count: the scheduler knows no costs yet."""
_SHOWN_PERIODS = 3
_BESIDE_S = 1.0
"""How often a worker's other threads are at work: a report a second."""


class Run:
    """Some cameras, for some seconds."""

    def __init__(self, request: ForecastRequest, size: SizeProfile, cameras: int, draw: random.Random) -> None:
        """Make lanes and cameras; the clock stands still.

        Args:
            request: the plan, and what it costs.
            size: that of pictures of the size that is looked at.
            cameras: how many.
            draw: gives random numbers.
        """
        self._request, self._size, self._draw = request, size, draw
        self.length_s = request.seconds + _WARM_S
        self.latencies_s: list[float] = []
        self.spans: list[Span] = []
        self._seen: dict[str, int] = {}
        plan = request.plan
        self.clock = Clock()
        self.cpus = Cpus(_cpus_of(plan), self.clock)
        engines = request.profile.engines.values()
        self.slots = Slots(max((one.slots for one in engines if one.runner != "onnxruntime"), default=1), self.clock)
        self._around = Surroundings(
            clock=self.clock,
            cpus=self.cpus,
            slots=self.slots,
            arrived=self._arrive,
            worked=self._note,
        )
        self._sources = sources_for(plan, cameras)
        self.wanted_fps = wanted_fps(request, self._sources)
        """Of each camera."""
        graph = self._graph = plan_graph(plan)
        self.lanes = {node.name: self._lane(node, entry=node.name in graph.entry) for node in graph.lanes}
        for node in graph.lanes:
            for name in node.following:
                self.lanes[node.name].lead_to(self.lanes[name])
        entry = tuple(self.lanes[name] for name in graph.entry)
        self._cameras = [self._camera(name, source, entry) for name, source in self._sources.items()]

    @property
    def captured(self) -> int:
        """Pictures of all cameras."""
        return sum(camera.captured for camera in self._cameras)

    @property
    def pictures(self) -> int:
        """Of one camera in use at once, at most."""
        return max(camera.most for camera in self._cameras)

    def play(self) -> None:
        """Let the time pass."""
        clip = max(1, len(self._size.decode_ms))
        for number, camera in enumerate(self._cameras):
            given = self._request.phases[number : number + 1]
            camera.begin(given[0] if given else clip * self._draw.random())
        if self._size.beside_ms:
            self.clock.at(self._draw.uniform(0, _BESIDE_S), self._report)
        self.clock.run(self.length_s)

    @property
    def is_hopeless(self) -> bool:
        """Whether a lane's threads, or all CPUs together, would have more to do than there is time."""
        lanes = [camera.busy_ratio for camera in self._cameras]
        rate = len(self._cameras) * self.wanted_fps
        lanes += [rate * lane.costs.mean_s / lane.plan.threads for lane in self.lanes.values()]
        needed = sum(camera.busy_ratio for camera in self._cameras)
        needed += sum(rate * lane.costs.mean_cpu_s for lane in self.lanes.values())
        return max(lanes) > 1 or needed > len(self.cpus.all)

    def drops(self) -> Counter[str]:
        """Frames that did not come through, by cause."""
        found: Counter[str] = Counter()
        for lane in self.lanes.values():
            for (_, cause), count in lane.queues.drops().items():
                found[cause] += count
        if leases := sum(camera.dropped for camera in self._cameras):
            found[NO_LEASE] = leases
        return found

    def _lane(self, node: LaneNode, *, entry: bool) -> ToldLane:
        plan = self._request.plan
        return ToldLane(
            name=node.name,
            plan=plan.lanes[node.name],
            costs=StepCosts(self._steps(node), self._size, self._draw),
            around=self._around,
            rules={name: rule_of(source) for name, source in self._sources.items()},
            live=frozenset(name for name, source in self._sources.items() if _is_live(source) and entry),
        )

    def _camera(self, name: str, source: RecipeSource, entry: tuple[ToldLane, ...]) -> ToldCamera:
        most = 1 + sum(lane.plan.queue + lane.plan.threads for lane in self.lanes.values())
        return ToldCamera(
            stream=name,
            lane=self._request.plan.lanes[source.lane],
            period_s=1 / self.wanted_fps,
            decoded=self._request.fps / self.wanted_fps,
            costs=StepCosts(LaneSteps(name=DECODE, stages=(DECODE,)), self._size, self._draw),
            leases=StreamLeases(name, most, PicturePool(0, self.clock), self.clock),
            entry=entry,
            around=self._around,
            rhythm_s=tuple(one / 1000 for one in self._size.decode_ms),
            live=_is_live(source),
        )

    def _steps(self, node: LaneNode) -> LaneSteps:
        behind = [one for one in self._graph.lanes if one.name in node.following]
        first = tuple(one.steps[0] for one in behind)
        return LaneSteps(name=node.name, stages=node.stages, sinks=node.sinks, following=first)

    def _report(self) -> None:
        self.clock.after(_BESIDE_S, self._report)
        self.cpus.work((), self._size.beside_ms / 1000, lambda: None)

    def _arrive(self, frame: Frame) -> None:
        """A sink has a frame; of several the first one counts."""
        if frame.sequence <= self._seen.get(frame.stream, -1):
            return
        self._seen[frame.stream] = frame.sequence
        if frame.captured_s >= _WARM_S:
            self.latencies_s.append(self.clock.now_s - frame.captured_s)

    def _note(self, span: Span) -> None:
        shown_ms = _SHOWN_PERIODS / self.wanted_fps * 1000
        inside = span.begin_ms >= _WARM_S * 1000 and span.end_ms <= _WARM_S * 1000 + shown_ms
        if inside and len(self.spans) < MAX_SPANS:
            self.spans.append(span)


def wanted_fps(request: ForecastRequest, sources: Mapping[str, RecipeSource]) -> float:
    """How many pictures of each camera go on in a second: `max_fps` drops the others."""
    return min(request.fps, *(source.max_fps or inf for source in sources.values()), inf)


def sources_for(plan: WorkerPlan, cameras: int) -> Mapping[str, RecipeSource]:
    """So many sources: the plan's own, and further ones like its last."""
    sources = dict(list(plan.sources.items())[:cameras])
    last = list(plan.sources.items())[-1]
    for number in range(len(sources), cameras):
        sources[f"{last[0]}+{number - len(plan.sources) + 1}"] = last[1]
    return sources


def _cpus_of(plan: WorkerPlan) -> tuple[int, ...]:
    return plan.limits.cpuset_cpus or tuple({cpu for lane in plan.lanes.values() for cpu in lane.cpus}) or (0,)


def _is_live(source: RecipeSource) -> bool:
    """Whether its pictures wait for nobody."""
    match source:
        case FileSource() | ImagesSource() | SyntheticSource():
            return False
        case PythonSource(live=live):
            return live
        case _:
            return True
