"""What was measured while a clip was played, as a profile has it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from edgekit.device.runtime.pipeline import Pipeline
from edgekit.device.runtime.profiling.samples import LEAST_CALLS, ArrivalFigures, Sample, SampledFigures, cost_of
from edgekit.device.runtime.schedule.lanes import LaneThread
from edgekit.device.runtime.sources.feed import Feed
from edgekit.device.runtime.streams import quantile
from edgekit.schema.plan import WorkerPlan
from edgekit.schema.profile import DECODE, MAX_RHYTHM, Cost, SizeProfile


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """What was seen from outside."""

    used_s: Mapping[int, float]
    """CPU time of each thread."""
    warm_s: float
    """What the first frames took, which are as many as are needed at least."""
    passed_s: float
    memory_bytes: int
    pictures: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """A plan that was played."""

    plan: WorkerPlan
    pipeline: Pipeline
    figures: ArrivalFigures
    seen: Observed
    keys: tuple[int, ...]
    """Which pictures of the first camera, counted from its first, were key pictures; none where it is no camera."""

    def lane_of(self, worker: Feed | LaneThread) -> str:
        """The lane whose thread a worker is, or `decode`."""
        return DECODE if worker in self.pipeline.feeds else worker.name.rpartition(".")[0] or worker.name

    def samples(self) -> dict[str, list[Sample]]:
        """All calls, by stage, sink and `decode`."""
        found: dict[str, list[Sample]] = {}
        for worker in self.pipeline.workers:
            assert isinstance(worker.figures, SampledFigures)
            for stage, some in worker.figures.samples.items():
                found.setdefault(stage, []).extend(some)
        return found


def size_profile(played: Played, about: str) -> SizeProfile:
    """What one stream costs. `about` says in words what was played."""
    plan, pipeline, figures, watched = played.plan, played.pipeline, played.figures, played.seen
    samples = played.samples()
    overheads_ms: dict[str, float] = {}
    known = set()
    for worker in pipeline.workers:
        assert isinstance(worker.figures, SampledFigures)
        lane = played.lane_of(worker)
        calls = max((len(some) for some in worker.figures.samples.values()), default=0)
        inside_s = sum(one.cpu_s for some in worker.figures.samples.values() for one in some)
        known.add(worker.thread.tid)
        if calls:
            overhead_s = max(0.0, watched.used_s.get(worker.thread.tid, 0.0) - inside_s) / calls
            overheads_ms[lane] = max(overheads_ms.get(lane, 0.0), round(overhead_s * 1000, 4))
    beside_s = sum(seconds for tid, seconds in watched.used_s.items() if tid not in known)
    stream = next(iter(figures.streams.values()))
    assert stream.info is not None, "a frame has come"
    latencies = sorted(figures.latencies_s)
    on_accelerators = _waiting_stages(plan)
    costs = {stage: cost_of(some, waits=stage in on_accelerators) for stage, some in samples.items()}
    return SizeProfile(
        width_px=max(1, stream.info.spec.width_px),
        height_px=max(1, stream.info.spec.height_px),
        codec=stream.info.codec,
        fps=round(len(latencies) / watched.passed_s, 3),
        clip=about,
        frames=len(latencies),
        costs=costs,
        decode_ms=_rhythm_ms(played),
        overheads_ms=overheads_ms,
        beside_ms=round(beside_s / watched.passed_s * 1000, 4),
        p50_ms=round(quantile(latencies, 0.5) * 1000, 3),
        p99_ms=round(quantile(latencies, 0.99) * 1000, 3),
        memory_bytes=watched.memory_bytes,
        pictures=watched.pictures,
    )


def costs_of_meeting(played: Played) -> dict[str, Cost]:
    """What calls cost that met others, of those that did often enough."""
    on_accelerators = _waiting_stages(played.plan)
    met = {stage: [one for one in some if one.met] for stage, some in played.samples().items()}
    return {
        stage: cost_of(some, waits=stage in on_accelerators) for stage, some in met.items() if len(some) >= LEAST_CALLS
    }


def _rhythm_ms(played: Played) -> tuple[float, ...]:
    """Decoding, picture after picture. Raises nothing: where no key picture was seen it begins anywhere."""
    feed = played.pipeline.feeds[0].figures
    assert isinstance(feed, SampledFigures)
    samples = feed.samples.get(DECODE, ())
    return between_keys([one.cpu_s for one in samples], feed.calls - len(samples), played.keys)


def between_keys(taken_s: Sequence[float], first: int, keys: Sequence[int]) -> tuple[float, ...]:
    """Pictures from one key picture up to another, as many as are kept, in milliseconds.

    Args:
        taken_s: each picture's time, in seconds.
        first: the first one's number.
        keys: numbers of key pictures, ascending.
    """
    some = taken_s
    inside = [key - first for key in keys if 0 <= key - first <= len(some)]
    if inside:
        some = some[inside[0] :]
        ends = [key - inside[0] for key in inside[1:] if key - inside[0] <= MAX_RHYTHM]
        some = some[: ends[-1]] if ends else some
    return tuple(round(one * 1000, 4) for one in some[:MAX_RHYTHM])


def _waiting_stages(plan: WorkerPlan) -> frozenset[str]:
    """Stages that sleep until an accelerator is done: ONNX Runtime computes on the thread that calls it."""
    return frozenset(
        stage.name for stage in plan.stages if stage.engine and plan.engines[stage.engine].runner != "onnxruntime"
    )
