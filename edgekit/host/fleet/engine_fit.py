"""Whether a device can run a release's engines: what an engine says of itself, joined with what the device has. Pure.

One file per accelerator beside this one. A fact that an older edgekit did not write, or that is damaged, is not
judged: the device's golden frames have the last word anyway.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

from edgekit.host.fleet import fit_rknn, fit_tensorrt
from edgekit.host.fleet.finding import Finding, refuse
from edgekit.schema.facts import DeviceFacts
from edgekit.schema.manifest import EngineEntry, WheelEntry
from edgekit.schema.units import version_tuple

_OPSETS = (((1, 20), 21), ((1, 21), 22), ((1, 23), 23), ((1, 24), 25), ((1, 25), 26), ((1, 32), 28))
"""Newest operator set by ONNX Runtime's version, from there on. Source: measured, one model loaded in each version."""


def judge_engines(
    engines: Iterable[EngineEntry], wheels: Iterable[WheelEntry], facts: DeviceFacts
) -> tuple[Finding, ...]:
    """Every reason why a device cannot, or should not, run these engines; each once.

    Args:
        engines: from the manifest.
        wheels: what travels with them.
        facts: the device.
    """
    runtime = next((wheel.version for wheel in wheels if wheel.name == "onnxruntime"), "")
    return tuple(dict.fromkeys(item for engine in engines for item in judge_engine(engine, facts, runtime)))


def judge_engine(engine: EngineEntry, facts: DeviceFacts, runtime: str = "") -> tuple[Finding, ...]:
    """The same for one engine; `runtime` is the version of ONNX Runtime in the release."""
    match engine.runner:
        case "rknn":
            return tuple(fit_rknn.judge(engine.facts, facts))
        case "tensorrt":
            return tuple(fit_tensorrt.judge(engine.facts, facts))
        case "onnxruntime":
            return tuple(_onnxruntime(engine.facts, runtime))


def _onnxruntime(engine: Mapping[str, str], runtime: str) -> Iterator[Finding]:
    opset, known = engine.get("opset", ""), newest_opset(runtime)
    if re.fullmatch("[0-9]{1,4}", opset) and known:
        found = refuse(
            int(opset) <= known,
            "the release's ONNX Runtime",
            f"{runtime}, which knows operator sets up to {known}",
            f"one that knows set {opset}",
            f"export the model with opset {known}, or take a newer onnxruntime where the board's Python has one",
        )
        yield from [found] if found else []


def newest_opset(runtime: str) -> int:
    """The newest operator set of a version of ONNX Runtime; 0 where it is not known."""
    version = version_tuple(runtime)[:2]
    return max((opset for since, opset in _OPSETS if since <= version), default=0)
