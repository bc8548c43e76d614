"""Whether a device can run a release's engines: what an engine says of itself, joined with what the device has. Pure.

One file per accelerator beside this one. A fact that an older edgekit did not write, or that is damaged, is not
judged: the device's golden frames have the last word anyway.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from edgekit.host.fit import onnxruntime, rknn, tensorrt
from edgekit.host.fit.finding import Finding, refuse, warn
from edgekit.schema.facts import DeviceFacts
from edgekit.schema.manifest import EngineEntry, WheelEntry
from edgekit.schema.target import AcceleratorKind
from edgekit.schema.units import format_bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineVerdict:
    """One engine on one device."""

    name: str
    runner: AcceleratorKind
    fits: bool
    findings: tuple[Finding, ...]


def judge_engines(
    engines: Sequence[EngineEntry], wheels: Iterable[WheelEntry], facts: DeviceFacts
) -> tuple[Finding, ...]:
    """Every reason why a device cannot, or should not, run these engines together; each once.

    Args:
        engines: from the manifest.
        wheels: what travels with them.
        facts: the device.
    """
    alone = (item for verdict in judge_each(engines, wheels, facts) for item in verdict.findings)
    return tuple(dict.fromkeys((*alone, *_memory(engines, facts))))


def judge_each(
    engines: Iterable[EngineEntry], wheels: Iterable[WheelEntry], facts: DeviceFacts
) -> tuple[EngineVerdict, ...]:
    """The same for each engine by itself."""
    runtime = next((wheel.version for wheel in wheels if wheel.name == "onnxruntime"), "")
    return tuple(_judge(engine, facts, runtime) for engine in engines)


def _judge(engine: EngineEntry, facts: DeviceFacts, runtime: str) -> EngineVerdict:
    match engine.runner:
        case "rknn":
            findings = tuple(rknn.judge(engine.facts, facts))
        case "tensorrt":
            findings = tuple(tensorrt.judge(engine.facts, facts))
        case "onnxruntime":
            findings = tuple(onnxruntime.judge(engine.facts, runtime))
    if engine.tail:
        tail = {key: engine.facts.get(f"tail_{key}", "") for key in ("opset", "ir_version")}
        findings += tuple(onnxruntime.judge(tail, runtime))
    fits = not any(item.severity == "refuse" for item in findings)
    return EngineVerdict(name=engine.name, runner=engine.runner, fits=fits, findings=findings)


def _memory(engines: Iterable[EngineEntry], facts: DeviceFacts) -> Iterator[Finding]:
    """CPU and accelerators share the memory. What is free now is a warning alone: the release that an update replaces
    gives its own back. Source: CUDA for Tegra: cudaMemGetInfo leaves out what can be reclaimed, MemAvailable does not.
    """
    written = [engine.facts.get("memory_bytes", "") for engine in engines]
    needed = sum(int(text) for text in written if re.fullmatch("[0-9]{1,18}", text))
    subject, takes, cure = "memory", f"{format_bytes(needed)} for the engines", "take smaller models, or a larger board"
    there, free = facts.memory_bytes, facts.memory_available_bytes
    too_large = refuse(not there or needed <= there, subject, format_bytes(there), takes, cure)
    if too_large:
        yield too_large
        return
    cure = "close other programs, unless it is the release that this one replaces"
    tight = warn(not free or needed <= free, "free memory", format_bytes(free), takes, cure)
    yield from [tight] if tight else []
