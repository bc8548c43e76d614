"""Runs a plan on a virtual clock with some number of cameras, and seeks the largest number that keeps up. Pure."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace
from math import inf

from edgekit.device.runtime.forecast.running import Run, sources_for, wanted_fps
from edgekit.device.runtime.streams import quantile
from edgekit.errors import InputError
from edgekit.schema.forecast import (
    MOST_CAMERAS,
    ForecastReply,
    ForecastRequest,
    LoadForecast,
    Span,
)
from edgekit.schema.profile import SizeProfile

_ENOUGH_FPS, _MOST_DROPPED = 0.98, 0.01
"""A camera keeps up while nearly all of its pictures come through."""
_SEED = 1
_SHOWN_FRAMES, _SOUGHT_FRAMES = 4000, 2000
"""So many pictures of all cameras together are enough for one run."""
_LEAST_S, _LEAST_PICTURES = 4.0, 100
"""Of each camera: slow ones need longer until their queues are what they stay, and what is under way at the end counts
as little as it should."""
_MOST_S = 3600.0
"""Of a virtual clock: whoever asks for a picture a week waits no longer for the answer than others."""


def foretell(request: ForecastRequest) -> ForecastReply:
    """Foretell each number of cameras that is asked for, and the largest that keeps up.

    Raises:
        InputError: the profile has not measured such pictures.
    """
    size = measured_size(request)
    loads, spans = [], tuple[Span, ...]()
    for cameras in request.counts:
        bounded = _bounded(request, cameras, _SHOWN_FRAMES)
        load, found = _load(bounded, size, cameras)
        together, _ = _load(replace(bounded, phases=(0.0,) * cameras, runs=1), size, cameras)
        loads.append(replace(load, together_p99_ms=together.p99_ms))
        spans = found if cameras == max(request.counts) else spans
    most = _most(request, size) if request.seek_most else 0
    return ForecastReply(loads=tuple(loads), most=most, spans=spans)


def measured_size(request: ForecastRequest) -> SizeProfile:
    """What the profile knows of pictures of the size that is asked for. Raises InputError where that is nothing."""
    for size in request.profile.sizes:
        if (size.width_px, size.height_px) == (request.width_px, request.height_px):
            return size
    known = ", ".join(f"{one.width_px}x{one.height_px}" for one in request.profile.sizes)
    wanted = f"{request.width_px}x{request.height_px}"
    raise InputError(
        f"the profile knows pictures of {known}, not of {wanted}",
        hint=f"edgekit profile DEVICE RELEASE --size {wanted}",
    )


def _most(request: ForecastRequest, size: SizeProfile) -> int:
    """By halving: who keeps up with some cameras keeps up with fewer."""

    def keeps_up(cameras: int) -> bool:
        bounded = replace(_bounded(request, cameras, _SOUGHT_FRAMES), runs=1)
        if Run(bounded, size, cameras, random.Random(_SEED)).is_hopeless:  # noqa: S311
            return False
        return _load(bounded, size, cameras)[0].keeps_up

    low, high = 0, 1
    while high <= MOST_CAMERAS and keeps_up(high):
        low, high = high, high * 2
    high = min(high, MOST_CAMERAS + 1)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if keeps_up(middle) else (low, middle)
    return low


def _bounded(request: ForecastRequest, cameras: int, frames: int) -> ForecastRequest:
    """Runs as long as what tells: more cameras give the same number of pictures sooner."""
    seconds = min(request.seconds, max(_LEAST_S, frames / (cameras * request.fps)))
    going_on = wanted_fps(request, sources_for(request.plan, cameras))
    return replace(request, seconds=max(seconds, min(_MOST_S, _LEAST_PICTURES / going_on)))


def _load(request: ForecastRequest, size: SizeProfile, cameras: int) -> tuple[LoadForecast, tuple[Span, ...]]:
    runs = [Run(request, size, cameras, random.Random(f"{_SEED} {cameras} {k}")) for k in range(request.runs)]  # noqa: S311
    for run in runs:
        run.play()
    latencies = sorted(one for run in runs for one in run.latencies_s) or [0.0]
    captured = sum(run.captured for run in runs) or 1
    drops = sum((run.drops() for run in runs), Counter[str]())
    seconds = len(runs) * request.seconds
    fps = sum(len(run.latencies_s) for run in runs) / seconds / cameras
    dropped_ratio = sum(drops.values()) / captured
    p99_ms = quantile(latencies, 0.99) * 1000
    limit_ms = request.plan.health.max_p99_ms or inf
    first = runs[0]
    load = LoadForecast(
        cameras=cameras,
        fps=round(fps, 3),
        p50_ms=round(quantile(latencies, 0.5) * 1000, 3),
        p99_ms=round(p99_ms, 3),
        together_p99_ms=round(p99_ms, 3),
        dropped_ratio=round(dropped_ratio, 5),
        drops=dict(drops),
        lanes={name: round(lane.busy_s / first.length_s / lane.plan.threads, 4) for name, lane in first.lanes.items()},
        cpus={str(number): round(cpu.busy_s / first.length_s, 4) for number, cpu in first.cpus.all.items()},
        accelerators={"slots": round(first.slots.busy_s / first.length_s / first.slots.count, 4)}
        if first.slots.busy_s
        else {},
        pictures=max(run.pictures for run in runs),
        keeps_up=fps >= _ENOUGH_FPS * first.wanted_fps and dropped_ratio <= _MOST_DROPPED and p99_ms <= limit_ms,
    )
    return load, tuple(first.spans)
