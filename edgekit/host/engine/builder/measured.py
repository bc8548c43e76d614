"""What is known of a device that compiled: from its facts, and from the very process that compiled. Pure.

Each is asked on its own, so a device that contradicts itself is noticed: a power mode that was switched meanwhile, a
second TensorRT that hides the board's own, an engine that another board has left.
"""

from __future__ import annotations

from collections.abc import Iterator

from edgekit.schema.building import BuildAnswer, TrialAnswer
from edgekit.schema.facts import DeviceFacts
from edgekit.schema.target import Accelerator, AcceleratorKind
from edgekit.schema.units import leading_version, version_tuple


def contradictions(
    kind: AcceleratorKind, before: DeviceFacts, after: DeviceFacts, built: BuildAnswer, tried: TrialAnswer | None
) -> Iterator[str]:
    """Every contradiction in what a device says of itself.

    Args:
        kind: of the engine.
        before: its facts, asked before it compiled.
        after: the same, asked when it was done.
        built: what the compiling process said.
        tried: what the process said that ran the engine; None where none ran.
    """
    if tried is not None and tried.power_status != built.power_status:
        yield "the engine was compiled in another power mode than the one that is set now"
    gpu = gpu_of(before)
    if kind != "tensorrt" or gpu is None:
        return
    if gpu_of(after) != gpu or _clock(before) != _clock(after):
        yield f"power mode or clocks changed while it compiled: {_state(before)} before, {_state(after)} after"
    library = leading_version(gpu.runtime_version)
    if not same_version(built.toolkit, library):
        yield f"TensorRT {built.toolkit or 'of no version'} compiled, and its library is {library}"
    if built.sm != gpu.sm:
        yield f"its driver says SM {built.sm or 'of no number'}, and its facts say {gpu.sm}"
    if gpu.sm_count and built.sm_count != gpu.sm_count:
        yield f"its driver says {built.sm_count} SMs, and its facts say {gpu.sm_count}"


def measured_facts(kind: AcceleratorKind, facts: DeviceFacts, built: BuildAnswer) -> dict[str, str]:
    """For the manifest: on what an engine was compiled, as it was found there."""
    common = {"l4t": facts.l4t, "device": facts.model or facts.os_title}
    gpu = gpu_of(facts)
    if kind != "tensorrt":
        return common
    return {
        **common,
        "tensorrt": leading_version(gpu.runtime_version) if gpu else built.toolkit,
        "sm": built.sm,
        "sm_count": str(built.sm_count),
        "cuda": gpu.cuda if gpu else "",
        "power_mode": gpu.power_mode if gpu else "",
        "power_conf": gpu.power_conf if gpu else "",
    }


def gpu_of(facts: DeviceFacts) -> Accelerator | None:
    """A device's GPU."""
    return next((one for one in facts.accelerators if one.kind == "tensorrt"), None)


def same_version(first: str, second: str) -> bool:
    """Whether two versions of TensorRT are one, as far as the shorter tells: its package has one number more."""
    one, other = version_tuple(first), version_tuple(second)
    shorter = min(len(one), len(other))
    return shorter >= 3 and one[:shorter] == other[:shorter]


def _clock(facts: DeviceFacts) -> tuple[int, int]:
    return facts.gpu_min_hz, facts.gpu_max_hz


def _state(facts: DeviceFacts) -> str:
    """`25W with 8 SMs at 306 to 1020 MHz`."""
    gpu, (lowest, highest) = gpu_of(facts), _clock(facts)
    if gpu is None:
        return "no GPU"
    return f"{gpu.power_mode or 'no mode'} with {gpu.sm_count} SMs at {lowest // 10**6} to {highest // 10**6} MHz"
