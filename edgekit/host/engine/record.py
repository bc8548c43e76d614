"""What is known of an engine: as its compiler left it, and as the cache records it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from edgekit.host.engine.model.answers import Answers
from edgekit.host.engine.verify.agreement import Agreement
from edgekit.schema.target import AcceleratorKind


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacedOperator:
    """Where one operator of an engine runs, and what it is thought to cost."""

    kind: str
    name: str
    place: str
    """`NPU`, `CPU`, `GPU`, `DLA`."""
    dtype: str
    cycles: int = 0
    """As the compiler estimates; 0 where it has no estimate."""
    traffic_bytes: int = 0
    """Read and written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CompiledEngine:
    """What a compiler left: not checked yet, and not recorded."""

    engine: bytes
    answers: Answers
    """The engine's own outputs on the pictures to verify with; of the head, where a tail runs behind it."""
    facts: Mapping[str, str] = field(default_factory=dict)
    """For the manifest: how it was made."""
    layers: tuple[PlacedOperator, ...] = ()
    warnings: tuple[str, ...] = ()
    seconds: float
    """That compiling took."""
    peak_bytes: int = 0
    """Memory that compiling took; 0 where it was not measured."""
    memory_bytes: int | None = None
    """Memory that the engine takes on the device to run; None where it is not known."""
    timing_cache: bytes = b""
    """What a device has timed, for the next engine of its kind; may be empty."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineRecord:
    """How an engine was made and how well it agrees: `engine.json` beside it in the cache."""

    model: str
    """Its name in the recipe."""
    kind: AcceleratorKind
    target: str
    filename: str
    sha256: str
    bytes: int
    facts: dict[str, str]
    """What goes into a release's manifest."""
    agreement: tuple[Agreement, ...]
    layers: tuple[PlacedOperator, ...]
    warnings: tuple[str, ...]
    seconds: float
    peak_bytes: int
    """Memory that compiling took."""
    tail_ms: float = 0.0
    """What the CPU computes behind it, for one frame, on the machine that made it; 0 where there is no tail."""

    @property
    def notes(self) -> tuple[str, ...]:
        """For the user who builds: how well it agrees, and the compiler's warnings."""
        lines = [f"{self.model}: {one}" for one in self.agreement]
        return (*lines, *(f"warning: {self.model}: {warning}" for warning in self.warnings))
