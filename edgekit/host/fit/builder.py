"""Whether a device may compile engines for a target: what runs an engine, and also what an engine is tuned by. Pure.

The rules for TensorRT are those that judge a finished engine (`tensorrt.py`), asked about an engine that a device of
the target would have made; what is a warning there, because golden frames decide, is a refusal here.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

from edgekit.host.fit import tensorrt
from edgekit.host.fit.finding import Finding, refuse
from edgekit.schema.facts import DeviceFacts
from edgekit.schema.target import Accelerator, Target
from edgekit.schema.units import format_bytes

_MIN_MEMORY_BYTES = {"tensorrt": 1 << 30, "onnxruntime": 256 << 20}
"""Free before compiling begins. Below a gigabyte TensorRT fails on boards, whatever its pools are bounded to."""
_OTHER_BOARD = "take a board of the target, or compile for the target that edgekit target probe writes of this one"
_CURES = {tensorrt.LIBRARY: f"update the board; or {_OTHER_BOARD}", tensorrt.CAPABILITY: _OTHER_BOARD}
"""Instead of building the release again, which is what is about to happen."""
_TUNED_BY = (tensorrt.SM_COUNT, tensorrt.POWER_MODE)
"""Tactics are timed at the clocks of the moment, with the SMs that are on."""


def judge_builder(target: Target, needed: Accelerator, facts: DeviceFacts) -> tuple[Finding, ...]:
    """Every reason why a device must not compile for a target; none where it may.

    Args:
        target: what engines are made for.
        needed: its accelerator.
        facts: the device.
    """
    if system := tuple(_system(target, facts)):
        return system
    gpu = tuple(_tensorrt(target, needed, facts)) if needed.kind == "tensorrt" else ()
    return (*gpu, *_memory(needed, facts))


def _system(target: Target, facts: DeviceFacts) -> Iterator[Finding]:
    """What is sent there must run there."""
    python = ".".join(facts.python.version.split(".")[:2])
    checks = (
        refuse(facts.arch == target.os.arch, "the architecture", facts.arch, target.os.arch, _OTHER_BOARD),
        refuse(python == target.os.python, target.os.python_path, python, target.os.python, _OTHER_BOARD),
    )
    yield from (found for found in checks if found)


def _tensorrt(target: Target, needed: Accelerator, facts: DeviceFacts) -> Iterator[Finding]:
    gpu = next((one for one in facts.accelerators if one.kind == "tensorrt"), None)
    if gpu is None or not gpu.runtime_version:
        yield Finding(
            severity="refuse",
            subject=tensorrt.LIBRARY,
            found="",
            needed=needed.runtime_version,
            cure="install the JetPack that the target names",
        )
        return
    for found in tensorrt.judge(_would_be_made(needed), facts):
        if found.severity == "refuse" or found.subject in _TUNED_BY:
            yield dataclasses.replace(found, severity="refuse", cure=_CURES.get(found.subject, found.cure))
    lowest, highest = facts.gpu_min_hz, facts.gpu_max_hz
    releases = target.recognise.l4t or (target.os.l4t,)
    checks = (
        *_not_reported(needed, gpu),
        refuse(
            not target.os.l4t or f"{facts.l4t}.".startswith(tuple(f"{one}." for one in releases)),
            "L4T",
            facts.l4t,
            " or ".join(releases),
            "update the board",
        ),
        refuse(
            not highest or lowest == highest,
            "the GPU's clock",
            f"free between {lowest // 10**6} and {highest // 10**6} MHz",
            "one",
            "sudo jetson_clocks locks it",
        ),
    )
    yield from (found for found in checks if found)


def _would_be_made(needed: Accelerator) -> dict[str, str]:
    """What an engine says of itself that a device of the target made."""
    return {
        "tensorrt": needed.runtime_version,
        "sm": needed.sm,
        "sm_count": str(needed.sm_count),
        "power_mode": needed.power_mode,
        "power_conf": needed.power_conf,
    }


def _not_reported(needed: Accelerator, gpu: Accelerator) -> Iterator[Finding | None]:
    """A finished engine is allowed where a device does not report these; an engine must not be tuned by them."""
    mode = "sudo nvpmodel -q names it; sudo nvpmodel -m sets it by its number"
    yield refuse(bool(gpu.sm) or not needed.sm, tensorrt.CAPABILITY, "", needed.sm, _OTHER_BOARD)
    yield refuse(bool(gpu.power_mode) or not needed.power_mode, tensorrt.POWER_MODE, "", needed.power_mode, mode)
    known = bool(gpu.sm_count) or not needed.sm_count
    yield refuse(known, tensorrt.SM_COUNT, "", str(needed.sm_count), mode)


def _memory(needed: Accelerator, facts: DeviceFacts) -> Iterator[Finding]:
    least = _MIN_MEMORY_BYTES.get(needed.kind, 0)
    found = refuse(
        facts.memory_available_bytes >= least,
        "free memory",
        format_bytes(facts.memory_available_bytes),
        f"{format_bytes(least)} to compile",
        "close other programs, or reboot it",
    )
    yield from [found] if found else []
