"""Finds what helps a model whose engine does not agree with it: each hint was tried before it was written."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx

from edgekit.errors import EdgekitError
from edgekit.host.engine.model.graph import Graph
from edgekit.host.engine.model.ranges import find_mixed, split_hint
from edgekit.host.engine.model.reference import answers_with
from edgekit.host.engine.source import ModelSource
from edgekit.host.engine.verify.verdict import AgreementCure, Overflow

_LARGEST = 65504.0
"""Of float16. Source: IEEE 754-2019, binary16."""
_FEW = 4
"""Pictures that are looked at."""
_SHOWN = 4


def cure_for(source: ModelSource, precision: str) -> AgreementCure:
    """Hints for one model, made when they are needed.

    Args:
        source: the model.
        precision: that the engine computes in.
    """
    return AgreementCure(
        channels=lambda: _channels(source, precision),
        overflow=lambda: _overflow(source, precision),
    )


def _channels(source: ModelSource, precision: str) -> str:
    whole = source.tail.whole if source.tail else source.path
    wider = _wider(source, precision)
    if source.tail is None and precision == "int8":
        proto = onnx.load(whole)
        frames = source.pictures.tensors[:_FEW]
        mixed = find_mixed(proto, answers_with(whole, (), frames))
        if mixed:
            return split_hint(mixed[0])
    return f"add calibration pictures that show what is missed, or write {wider}"


def _wider(source: ModelSource, precision: str) -> str:
    """The next precision that this target has."""
    kinds = {accelerator.kind for accelerator in source.target.accelerators}
    if "rknn" in kinds:
        return 'precision = "float16"' if precision == "int8" else 'precision = "int8"'
    if "tensorrt" in kinds:
        return 'precision = "float16"' if precision == "int8" else 'precision = "float32"'
    return 'cpu_precision = "float32"'


def _overflow(source: ModelSource, precision: str) -> Overflow | None:
    found = find_large(source.path, source.pictures.tensors[:_FEW]) if precision == "float16" else ()
    if not found:
        return None
    named = ", ".join(f"{name} ({low:.4g} to {high:.4g} in float32)" for name, low, high in found[:_SHOWN])
    more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    return Overflow(
        reason=f"float16, which ends at {_LARGEST:g}, overflows at {named}{more}",
        hint=_float16_hint(source, found[0][0]),
        details="\n".join(["in float32:", *(f"  {name}: {low:.6g} to {high:.6g}" for name, low, high in found)]),
    )


def _float16_hint(source: ModelSource, tensor: str) -> str:
    """What keeps float32 from there on: the whole model where the target can, else a tail on the CPU."""
    graph = Graph(onnx.load(source.path))
    node = graph.nodes[graph.maker[tensor]]
    before = [name for name in graph.varying(node) if name not in graph.inputs]
    names = ", ".join(f'"{name}"' for name in dict.fromkeys(before))
    split = f"split = [{names}]: the rest is then computed in float32 on the CPU" if before else ""
    if any(accelerator.kind == "tensorrt" for accelerator in source.target.accelerators):
        return 'write precision = "float32"' + (f", or {split}" if split else "")
    return f"write {split}" if split else 'write precision = "int8", with calibration pictures'


def find_large(
    path: Path, frames: np.ndarray[tuple[int, ...], np.dtype[np.generic]]
) -> tuple[tuple[str, float, float], ...]:
    """Tensors of a model that float16 cannot hold, in its order: name, least and largest value in float32.

    Args:
        path: the float model.
        frames: inputs, [frames, ...].
    """
    graph = Graph(onnx.load(path))
    names = [name for node in graph.nodes for name in node.output if name and name not in graph.constant]
    found: dict[str, tuple[float, float]] = {}
    try:
        for frame in frames:  # one at a time: all tensors of a model lie in memory
            for name, array in answers_with(path, names, frame[None]).items():
                if array.dtype == np.float32 and array.size:
                    low, high = found.get(name, (0.0, 0.0))
                    known = np.nan_to_num(array, nan=0.0, posinf=np.inf, neginf=-np.inf)
                    found[name] = (min(low, float(known.min())), max(high, float(known.max())))
    except EdgekitError:  # a branch or loop inside: some of its tensors cannot be outputs
        return ()
    large = ((name, *found[name]) for name in names if name in found)
    return tuple((name, low, high) for name, low, high in large if max(-low, high) > _LARGEST)
