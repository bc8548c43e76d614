"""Converts a model to float16 for TensorRT 11, which takes precisions from the model alone."""

from __future__ import annotations

import logging
import warnings
from pathlib import Path

import onnx
from onnxruntime.transformers.float16 import convert_float_to_float16  # type: ignore[import-untyped]

from edgekit.errors import EngineError


def to_half(path: Path) -> bytes:
    """Convert a float32 model; its inputs and outputs stay float32, with casts behind and before them.

    Raises:
        EngineError: it cannot be converted.
    """

    level = logging.root.manager.disable
    logging.disable(logging.CRITICAL)  # it logs each operator that stays float32
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # and of each weight that float16 rounds to zero
            made: onnx.ModelProto = convert_float_to_float16(onnx.load(path), keep_io_types=True)
        _sort(made.graph)
        onnx.checker.check_model(made)
    except Exception as error:  # the converter's errors share no class of their own
        raise EngineError(
            f"{path} cannot be converted to float16", hint='write precision = "float32"', details=str(error)
        ) from error
    finally:
        logging.disable(level)
    return bytes(made.SerializeToString(deterministic=True))


def _sort(graph: onnx.GraphProto) -> None:
    """Order nodes by what they take: the converter appends its casts."""
    made_here = {name for node in graph.node for name in node.output}
    waiting, known = list(graph.node), {""}
    ordered: list[onnx.NodeProto] = []
    while waiting:
        ready = [node for node in waiting if all(name in known or name not in made_here for name in node.input)]
        if not ready:  # a cycle: the checker says so
            ready = waiting
        known.update(name for node in ready for name in node.output)
        ordered += ready
        waiting = [node for node in waiting if not any(node is one for one in ready)]
    del graph.node[:]
    graph.node.extend(ordered)
