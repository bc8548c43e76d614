"""Whether a device is the one to compile on: what TensorRT finds there it builds into the engine. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from edgekit.schema.facts import DeviceFacts
from edgekit.schema.target import Accelerator, Target
from edgekit.schema.units import format_bytes

_MIN_MEMORY_BYTES = {"tensorrt": 1 << 30, "onnxruntime": 256 << 20}
"""Free before compiling begins. Below a gigabyte TensorRT fails on boards, whatever its pools are bounded to."""
_WORKSPACE_BYTES = 1 << 30
"""Source: field reports, 4 and 8 GB boards compile with a workspace of 1 GiB or less."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """Memory that a compiler may use on a board, which shares it with everything else."""

    workspace_bytes: int
    tactic_bytes: int


def bounds_for(target: Target) -> Bounds:
    """Bounds by a target's memory, never by what is free at the moment: they change what comes out.

    An eighth of all, 1 GiB at most, for one layer's scratch memory; half of all for trying tactics, where TensorRT
    would take three quarters. Source: NvInfer.h, MemoryPoolType; field reports on both pools.
    """
    total = target.memory.total_bytes
    return Bounds(workspace_bytes=min(_WORKSPACE_BYTES, total // 8), tactic_bytes=total // 2)


def version_of(text: str) -> str:
    """The version alone: `10.3.0.30` of `10.3.0.30-1+cuda12.5`."""
    found = re.match(r"[0-9]+(\.[0-9]+)*", text)
    return found.group() if found else ""


def judge_builder(target: Target, needed: Accelerator, facts: DeviceFacts) -> tuple[str, ...]:
    """Every reason why a device must not compile for a target, each a sentence with its cure; none where it may.

    Args:
        target: what engines are made for.
        needed: its accelerator.
        facts: the device.
    """
    there = next((one for one in facts.accelerators if one.kind == needed.kind), None)
    other = tuple(_system(target, facts))
    if other:
        return other
    if needed.kind != "onnxruntime":
        if there is None or not there.runtime_version:
            return ("it has no TensorRT: install the JetPack that the target names",)
        return (*_versions(target, needed, there, facts), *_power(needed, there, facts), *_memory(needed, facts))
    return tuple(_memory(needed, facts))


def _system(target: Target, facts: DeviceFacts) -> Iterator[str]:
    """What is sent there must run there."""
    if facts.arch != target.os.arch:
        yield f"it is {facts.arch} and the target {target.os.arch}: take a board of the target"
    python = ".".join(facts.python.version.split(".")[:2])
    if python != target.os.python:
        yield f"its {target.os.python_path} is Python {python or 'unknown'} and the target's {target.os.python}"


def _versions(target: Target, needed: Accelerator, there: Accelerator, facts: DeviceFacts) -> Iterator[str]:
    """An engine runs only with the very TensorRT that made it, on the same compute capability."""
    found, wanted = version_of(there.runtime_version), version_of(needed.runtime_version)
    if found != wanted:
        yield (
            f"its TensorRT is {found} and the target's is {wanted}: update the board, "
            "or compile for the target that edgekit target probe writes of it"
        )
    if there.sm != needed.sm:
        yield f"its GPU has compute capability {there.sm or 'unknown'} and the target's has {needed.sm}: take another"
    if target.os.l4t and not f"{facts.l4t}.".startswith(tuple(f"{one}." for one in _releases(target))):
        yield f"its L4T is {facts.l4t or 'unknown'} and the target's is {target.os.l4t}: update the board"


def _releases(target: Target) -> tuple[str, ...]:
    return target.recognise.l4t or (target.os.l4t,)


def _power(needed: Accelerator, there: Accelerator, facts: DeviceFacts) -> Iterator[str]:
    """Tactics are timed at the clocks of the moment, with the SMs that are on."""
    if needed.power_mode and there.power_mode != needed.power_mode:
        yield (
            f"its power mode is {there.power_mode or 'unknown'} and releases run in {needed.power_mode}: "
            "sudo nvpmodel -m with that mode's number (sudo nvpmodel -q --verbose lists them)"
        )
    if needed.sm_count and there.sm_count != needed.sm_count:
        yield f"{there.sm_count} of its SMs are on and the target has {needed.sm_count}: choose the target's power mode"
    lowest, highest = facts.gpu_min_hz, facts.gpu_max_hz
    if highest and lowest != highest:
        yield f"its GPU clock is free between {lowest // 10**6} and {highest // 10**6} MHz: sudo jetson_clocks locks it"


def _memory(needed: Accelerator, facts: DeviceFacts) -> Iterator[str]:
    least = _MIN_MEMORY_BYTES.get(needed.kind, 0)
    if facts.memory_available_bytes < least:
        free, takes = format_bytes(facts.memory_available_bytes), format_bytes(least)
        yield f"{free} of its memory are free and compiling takes {takes}: close other programs, or reboot it"
