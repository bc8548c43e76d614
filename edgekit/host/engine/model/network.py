"""What an ONNX file says of its network beyond the graph: who exported it, and which files belong to it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from edgekit.host.engine.model.onnx_model import OnnxModel, check_sound, describe, load_onnx
from edgekit.host.engine.model.prepare.external import files_beside

_MOST_ENTRIES = 100
_MOST_LETTERS = 1 << 18
"""Of one entry: the names of some thousand classes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkFile:
    """A checked model, with what its exporter left in it."""

    onnx: OnnxModel
    metadata: dict[str, str]
    """`metadata_props`: what the exporter wrote. A stranger's words: bounded, and nothing else is known of them."""
    beside: tuple[str, ...]
    """Files in its folder that hold weights of it."""


def read_network(path: Path) -> NetworkFile:
    """Read and check an ONNX file. To be called in a child with limits: it may have been made to harm.

    Raises:
        EngineError: not ONNX, not a valid model, or weights beside it cannot be read.
    """
    model, data = load_onnx(path)
    check_sound(path, model)
    entries = [(entry.key, entry.value) for entry in model.metadata_props[:_MOST_ENTRIES]]
    return NetworkFile(
        onnx=describe(model, data),
        metadata={key: value for key, value in entries if len(key) + len(value) <= _MOST_LETTERS},
        beside=files_beside(path),
    )
