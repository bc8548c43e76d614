"""`edgekit mem`: where an application's memory is, and whether it grows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from edgekit.cli.keeper_session import DeviceArgument, OneApplication, access_of
from edgekit.cli.session import JsonFlag, output_for
from edgekit.cli.verbs import examples
from edgekit.schema.units import counted, format_bytes

if TYPE_CHECKING:
    from edgekit.schema.memory import (
        EngineMemory,
        GroupMemory,
        LeaseHolder,
        MemoryAnswer,
        MemoryGrowth,
        PythonMemory,
        WorkerMemory,
    )

_LEAKS_S = 10.0
"""A picture that somebody has for so long is named."""
_MIB = 1 << 20


@examples("edgekit mem gate-7", "edgekit mem gate-7 gate-watch --python 10 --seconds 30")
def mem(
    ctx: typer.Context,
    device: DeviceArgument,
    application: OneApplication = "",
    python: Annotated[
        int,
        typer.Option(min=0, max=50, help="Also so many lines of Python code: those that allocate most from now on."),
    ] = 0,
    seconds: Annotated[float, typer.Option(min=0.1, max=300, help="How long Python code is watched.")] = 10.0,
    as_json: JsonFlag = False,
) -> None:
    """Show where an application's memory is, who holds its pictures, and whether it grows."""
    from edgekit.host.workflow.memory import MemoryQuestion, see_memory

    out = output_for(as_json)
    question = MemoryQuestion(application=application, sites=python, seconds=seconds)
    found = see_memory(device, question, access_of(ctx), out)
    out.result(found, "\n".join(describe_memory(device, found)))


def describe_memory(device: str, found: MemoryAnswer) -> list[str]:
    """The answer for people; what is not known has no line."""
    limit = format_bytes(found.max_bytes) if found.max_bytes else "no limit"
    rows = [
        ("limit", f"{limit}, {found.limits}" + (f", high {format_bytes(found.high_bytes)}" if found.high_bytes else ""))
    ]
    if found.group:
        rows.append(("cgroup", _group(found.group)))
    for process in found.processes:
        sizes = {"anon": process.anon_bytes, "file": process.file_bytes, "shmem": process.shmem_bytes}
        parts = ", ".join(f"{format_bytes(size)} {kind}" for kind, size in sizes.items())
        resident = f"{format_bytes(process.resident_bytes)} resident ({parts})"
        rows.append(
            (
                "process",
                f"{process.pid} {process.name}: {resident}, {format_bytes(process.proportional_bytes)} its share",
            )
        )
    rows.append(("growth", _growth(found.growth)))
    rows += [("accelerator", f"{one.owner}: {format_bytes(one.bytes)} ({one.source})") for one in found.accelerators]
    rows += [
        ("sink", f"{name}: {format_bytes(size)} of encoded video") for name, size in sorted(found.sinks.items()) if size
    ]
    if found.worker:
        rows += _of_worker(found.worker)
        if found.worker.python:
            rows += _of_python(found.worker.python)
    else:
        rows.append(("pictures", "the worker has told nothing yet, or is of an older edgekit"))
    return [f"{device}: {found.application}, process {found.pid}", *(f"  {name:<11} {text}" for name, text in rows)]


def _group(group: GroupMemory) -> str:
    parts = [
        f"{format_bytes(group.anon_bytes)} anon",
        f"{format_bytes(group.file_bytes)} file ({format_bytes(group.reclaimable_bytes)} can go at once)",
        f"{format_bytes(group.shmem_bytes)} shmem",
        f"{format_bytes(group.kernel_bytes)} kernel",
    ]
    peak = f", peak {format_bytes(group.peak_bytes)}" if group.peak_bytes else ""
    return f"{format_bytes(group.current_bytes)}{peak}: {', '.join(parts)}"


def _growth(growth: MemoryGrowth | None) -> str:
    if growth is None or growth.bound_bytes is None:
        return "not known yet: the worker has just begun"
    slope = f"{growth.per_hour_bytes / _MIB:+.2f} ± {growth.bound_bytes / _MIB:.2f} MiB an hour"
    return f"{slope} (95 %, {counted(growth.samples, 'sample')} in the last {growth.seconds:.0f} s)"


def _of_worker(memory: WorkerMemory) -> Iterator[tuple[str, str]]:
    for engine in memory.engines:
        yield "engine", _engine(engine)
    held = f"{format_bytes(memory.pool_bytes)} of {format_bytes(memory.pool_most_bytes)} for kept pictures"
    yield "pictures", f"{held}, {memory.pool_pictures} held"
    for count in memory.leases:
        kept = f", {count.outlived} of them after their frame's end" if count.outlived else ""
        yield "leases", f"{count.stream}: {count.held} of {count.most} in use{kept}"
    for holder in memory.holders:
        if holder.outlives or holder.age_s >= _LEAKS_S:
            yield "held", _holder(holder)


def _engine(engine: EngineMemory) -> str:
    there = (
        f", {format_bytes(engine.accelerator_bytes)} on the accelerator" if engine.accelerator_bytes is not None else ""
    )
    grew = f"the process grew by {format_bytes(engine.loaded_bytes)} while it was loaded"
    return f"{engine.name} ({engine.runner}): {format_bytes(engine.file_bytes)} on disk, {grew}{there}"


def _holder(holder: LeaseHolder) -> str:
    if not holder.outlives:
        return f"{holder.stream}: {holder.place} of lane {holder.lane} for {holder.age_s:.0f} s"
    by = f"{holder.place} of lane {holder.lane}" if holder.place else f"somebody unknown, last in lane {holder.lane},"
    cure = "keep a copy with frame.keep()"
    return f"{holder.stream}: {by} has kept an array for {holder.age_s:.0f} s after its frame's end: {cure}"


def _of_python(python: PythonMemory) -> Iterator[tuple[str, str]]:
    if python.trouble:
        yield "python", python.trouble
    if python.sites or not python.trouble:
        yield "python", f"{format_bytes(python.bytes)} allocated in {python.seconds:.0f} s and still there"
    for site in python.sites:
        yield "", f"{format_bytes(site.bytes):>10} in {counted(site.blocks, 'block')}  {site.file}:{site.line}"
        for caller in site.callers:
            yield "", f"{'':>10} called in {caller}"
