"""Profiles of releases that nobody has measured: each step costs what a test says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from edgekit.host.release.names import PROFILE
from edgekit.schema.message import to_message
from edgekit.schema.plan import LanePlan, StagePlan, WorkerPlan
from edgekit.schema.profile import DECODE, FORMAT, SHARES, Cost, EngineCost, MemoryProfile, Profile, SizeProfile
from edgekit.schema.recipe import DropPolicy
from edgekit.schema.sink import JsonlSink
from edgekit.schema.source import RecipeSource, RtspSource
from edgekit.schema.telemetry import ClockRate
from tests.fakes.plans import small_plan
from tests.fakes.releases import FakeRelease, make_release

MIB = 1 << 20


def cost(cpu_ms: float, wait_ms: float = 0.0, count: int = 100) -> Cost:
    """The same for every frame."""
    wall = cpu_ms + wait_ms
    return Cost(
        count=count,
        p50_ms=wall,
        p95_ms=wall,
        cpu_p50_ms=cpu_ms,
        cpu_p95_ms=cpu_ms,
        wait_ms=wait_ms,
        spread_ms=(cpu_ms,) * len(SHARES),
    )


def profile(costs: Mapping[str, Cost], *, slots: int = 1, accelerator: int = 6 * MIB, **size: object) -> Profile:
    """A profile of 640x360 at 10 fps."""
    given: dict[str, object] = {
        "width_px": 640,
        "height_px": 360,
        "fps": 10.0,
        "clip": "a clip",
        "frames": 100,
        "costs": dict(costs) or {DECODE: cost(1.0)},
        "p50_ms": 1.0,
        "p99_ms": 2.0,
        "memory_bytes": 60 * MIB,
        "stream_bytes": 4 * MIB,
        "pictures": 1,
        **size,
    }
    return Profile(
        format=FORMAT,
        edgekit="1",
        application="line",
        version="1.0.0",
        target="rk3588-debian12",
        release="0" * 64,
        device="bench",
        machine="a board",
        measured="2026-11-26T12:00:00+00:00",
        engines={
            "net": EngineCost(
                runner="rknn",
                sha256="1" * 64,
                slots=slots,
                memory_bytes=10 * MIB,
                accelerator_bytes=accelerator,
            )
        },
        sizes=(SizeProfile(**given),),  # type: ignore[arg-type]
        memory=MemoryProfile(
            interpreter_bytes=12 * MIB, libraries_bytes=30 * MIB, ready_bytes=45 * MIB, file_bytes=70 * MIB
        ),
    )


def measured_release(power_mode: str = "", clocks: tuple[ClockRate, ...] = ()) -> FakeRelease:
    """A release that was built with a profile, which was taken in this state of a board."""
    return make_release(extra={PROFILE: to_message(replace(profile({}), power_mode=power_mode, clocks=clocks))})


def camera(**more: object) -> RtspSource:
    """A source on lane `decode`."""
    return RtspSource(kind="rtsp", url="rtsp://10.0.0.5/a", lane="decode", **more)  # type: ignore[arg-type]


def two_lanes(
    *,
    cpus: tuple[int, int, int] = (0, 1, 2),
    threads: int = 1,
    queue: int = 4,
    drop: DropPolicy = "drop_oldest",
    sources: Mapping[str, RecipeSource] | None = None,
) -> WorkerPlan:
    """Cameras, then `see` on lane `detect`, then `follow` and a sink on lane `follow`: each lane has a CPU."""
    stages = (
        StagePlan(name="see", kind="infer", lane="detect", engine="net", entry="", options={}),
        StagePlan(name="follow", kind="bytetrack", lane="follow", engine="", entry="", options={}),
    )
    decode, detect, follow = cpus
    plan = small_plan(
        *stages,
        sources=sources or {"north": camera()},
        sinks={"lines": JsonlSink(kind="jsonl", path="lines.jsonl", lane="follow")},
        lanes={
            "decode": LanePlan(cpus=(decode,), queue=2, drop="block"),
            "detect": LanePlan(cpus=(detect,), threads=threads, queue=queue, drop=drop),
            "follow": LanePlan(cpus=(follow,), queue=queue, drop=drop),
        },
    )
    limits = replace(plan.limits, cpuset_cpus=tuple(sorted(set(cpus))), memory_max=200 * MIB)
    return replace(plan, limits=limits)
