"""One file per accelerator: how its engines are made. `BACKENDS` finds the right one.

Each module has `compile_model(source: ModelSource, bench: Bench) -> Engine`; its other half is the file of the same
name in `device/runner/`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from edgekit.executor import Executor
from edgekit.host.engine.builder.devices import Builders
from edgekit.host.engine.onnx_model import OnnxModel
from edgekit.host.engine.rknn.toolkit import Toolkits
from edgekit.host.engine.store import EngineStore
from edgekit.host.progress import Progress
from edgekit.schema.manifest import EngineEntry
from edgekit.schema.recipe import Model
from edgekit.schema.target import AcceleratorKind, Target

BACKENDS: Mapping[AcceleratorKind, str] = MappingProxyType(
    {
        "onnxruntime": "edgekit.host.engine.backends.onnxruntime",
        "rknn": "edgekit.host.engine.backends.rknn",
        "tensorrt": "edgekit.host.engine.backends.tensorrt",
    }
)
"""Module of each kind of engine that can be made."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """What engines are made with."""

    store: EngineStore
    toolkits: Toolkits
    """RKNN's, made when the first engine needs one."""
    builders: Builders
    """Devices that compile what this machine cannot."""
    executor: Executor
    progress: Progress


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSource:
    """What an engine is made from."""

    name: str
    """The model's name in the recipe."""
    path: Path
    """The ONNX file that engines are made from: the user's own, or what `prepare` made of it."""
    file: Path
    """The user's own, for messages."""
    rewrites: tuple[str, ...] = ()
    """What is different in it."""
    model: Model
    """As the recipe has it; its `input` is what the file at `path` takes."""
    onnx: OnnxModel
    target: Target
    calibration: tuple[Path, ...] = ()
    """Pictures to find ranges with, sorted."""
    golden: tuple[Path, ...] = ()
    """Pictures to verify with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """A compiled model: its entry in the manifest, and the file to be carried under `entry.path`."""

    entry: EngineEntry
    file: Path
    answers: Path | None = None
    """What a simulator of it answers on the golden frames, one array an output; None where it runs on any machine."""
    from_cache: bool = True
    """Whether nothing had to be compiled."""
    notes: tuple[str, ...] = ()
    """What its user should know."""
