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
from edgekit.host.engine.model.onnx_model import OnnxModel
from edgekit.host.engine.model.tail import Tail
from edgekit.host.engine.rknn.toolkit import Toolkits
from edgekit.host.engine.store import EngineStore, KeptEngine
from edgekit.host.engine.verify.verification import Pictures
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
    pictures: Pictures
    """To find ranges with, and to verify with."""
    tail: Tail | None = None
    """What the CPU computes behind the engine, where the model is split: `path` is the head then."""

    @property
    def sha256(self) -> str:
        """Of the recipe's model."""
        return self.tail.whole_sha256 if self.tail else self.onnx.sha256

    @property
    def tail_bytes(self) -> int:
        """Memory that the tail takes."""
        return self.tail.record.bytes if self.tail else 0

    @property
    def tail_ms(self) -> float:
        """Time that the tail takes for a frame, on this machine."""
        return self.tail.record.milliseconds if self.tail else 0.0

    @property
    def tail_facts(self) -> dict[str, str]:
        """What the manifest tells of the tail."""
        return self.tail.facts if self.tail else {}

    @property
    def notes(self) -> tuple[str, ...]:
        """What its user should know before it is compiled."""
        told = (*self.pictures.notes, *((self.tail.note,) if self.tail else ()))
        return tuple(f"{self.name}: {one}" for one in told)


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
    notes: tuple[str, ...] = ()
    """What its user should know."""


def engine_of(source: ModelSource, kept: KeptEngine, runner: AcceleratorKind, suffix: str, *, fresh: bool) -> Engine:
    """What a kept engine is to a release."""
    return Engine(
        entry=EngineEntry(
            name=source.name,
            runner=runner,
            path=f"engines/{source.name}{suffix}",
            model_sha256=source.sha256,
            facts=kept.record.facts,
            tail=f"engines/{source.name}.tail.onnx" if source.tail else "",
        ),
        file=kept.file,
        answers=kept.answers,
        expected=kept.expected,
        pictures=source.pictures.files,
        tail=source.tail.file if source.tail else None,
        from_cache=not fresh,
        notes=(*source.notes, *kept.record.notes),
    )
