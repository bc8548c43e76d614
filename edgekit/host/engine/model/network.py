"""A user's ONNX file before there is a recipe for it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from edgekit.host.engine.model.onnx_model import OnnxModel, read_onnx
from edgekit.host.engine.model.prepare.external import files_beside


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkFile:
    """A checked model, and the files that belong to it."""

    onnx: OnnxModel
    beside: tuple[str, ...]
    """Files in its folder that hold weights of it."""


def read_network(path: Path) -> NetworkFile:
    """Read and check an ONNX file. To be called in a child with limits: it may have been made to harm.

    Raises:
        EngineError: not ONNX, not a valid model, or weights beside it cannot be read.
    """
    return NetworkFile(onnx=read_onnx(path), beside=files_beside(path))
