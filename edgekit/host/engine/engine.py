"""A compiled model as a release takes it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from edgekit.host.engine.model.onnx_model import OnnxModel
from edgekit.schema.manifest import EngineEntry


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """A compiled model: its entry in the manifest, and the file to be carried under `entry.path`."""

    entry: EngineEntry
    file: Path
    answers: Path | None = None
    """What it answers on `pictures`, an array `output:NAME` each, [pictures, ...]; None for the model itself."""
    expected: Path | None = None
    """What the float model answers on them."""
    pictures: tuple[Path, ...] = ()
    """Golden frames, then calibration pictures; none where it was verified on made-up ones."""
    tail: Path | None = None
    """What the CPU computes behind it: the file to be carried under `entry.tail`."""
    from_cache: bool = True
    """Whether nothing had to be compiled."""
    model: OnnxModel | None = None
    """What it was made from, whole: its outputs are what stages see."""
    notes: tuple[str, ...] = ()
    """What its user should know."""
