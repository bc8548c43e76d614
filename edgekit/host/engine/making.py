"""The way of every engine: found in the cache, or else compiled, checked, verified and recorded; judged either way."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from edgekit.host.engine.engine import Engine
from edgekit.host.engine.record import CompiledEngine, EngineRecord
from edgekit.host.engine.source import ModelSource
from edgekit.host.engine.store import CachedEngine, EngineStore
from edgekit.host.engine.verify.agreement import Agreement
from edgekit.host.engine.verify.cure import cure_for
from edgekit.host.engine.verify.verdict import LayerError, check_agreement
from edgekit.host.engine.verify.verification import agreement_facts, verify_answers
from edgekit.schema.manifest import EngineEntry
from edgekit.schema.target import AcceleratorKind
from edgekit.trust import sha256_bytes


@dataclass(frozen=True, kw_only=True)
class Compilation(ABC):
    """One engine that is wanted. Subclasses hold what differs between accelerators; `make_engine` walks the steps."""

    source: ModelSource
    kind: AcceleratorKind
    key: str
    """Cache key: covers everything that affects the engine and its record."""
    precision: str
    """That the engine computes in."""
    suffix: str
    """Of its file: `.plan`."""

    @property
    def locks(self) -> tuple[Path, ...]:
        """Lock files of the programs that compile it."""
        return ()

    def prove(self) -> None:  # noqa: B027  most have nothing to prove
        """Check what can be checked before compiling, which takes long. Raises EngineError."""

    @abstractmethod
    def compile(self) -> CompiledEngine:
        """Compile, and run the outcome on the pictures to verify with. Raises EngineError."""

    @abstractmethod
    def check(self, compiled: CompiledEngine) -> Mapping[str, str]:
        """Read what was compiled, and describe it for the manifest. Raises EngineError where it is something else."""

    def compare_layers(self, engine: Path) -> tuple[LayerError, ...]:  # noqa: ARG002
        """Where the engine starts to differ from the float model; empty where layers cannot be compared."""
        return ()


def make_engine(wanted: Compilation, store: EngineStore) -> Engine:
    """Take an engine from the cache, or have it made and put it there; others who want the same meanwhile wait.

    What does not pass `check`, or does not give all outputs, is not recorded. Agreement is judged each time, for the
    recipe's tolerance is no part of the key: an engine that is beyond it need not be compiled again once it is widened.

    Raises:
        EngineError: it cannot be compiled, or does not agree with the float model.
        LockHeld: it is compiled on a builder device, and all of them are taken.
        Unreachable: the link to the builder device broke.
    """
    cached, fresh = store.find(wanted.key), False
    if cached is None:
        with store.lock(wanted.key, f"the engine {wanted.source.name}"):
            cached = store.find(wanted.key)
            if cached is None:
                cached, fresh = _record(wanted, store), True
    file = cached.file
    check_agreement(
        wanted.source.name,
        cached.record.agreement,
        wanted.source.model.tolerance,
        cure_for(wanted.source, wanted.precision),
        lambda: wanted.compare_layers(file),
    )
    return _engine(wanted, cached, fresh=fresh)


def _record(wanted: Compilation, store: EngineStore) -> CachedEngine:
    """Prove, compile, check, verify; then record."""
    source = wanted.source
    wanted.prove()
    compiled = wanted.compile()
    own_facts = wanted.check(compiled)
    verified = verify_answers(source, compiled.answers)
    record = EngineRecord(
        model=source.name,
        kind=wanted.kind,
        target=source.target.name,
        filename=f"{source.name}{wanted.suffix}",
        sha256=sha256_bytes(compiled.engine),
        bytes=len(compiled.engine),
        facts=_facts(wanted, compiled, own_facts, verified.agreement),
        agreement=verified.agreement,
        layers=compiled.layers,
        warnings=compiled.warnings,
        seconds=compiled.seconds,
        peak_bytes=compiled.peak_bytes,
        tail_ms=source.tail_ms,
    )
    return store.add(wanted.key, compiled.engine, record, verified.answers, verified.expected)


def _facts(
    wanted: Compilation, compiled: CompiledEngine, own: Mapping[str, str], agreement: tuple[Agreement, ...]
) -> dict[str, str]:
    """For the manifest: what a device must have to load it, how it was made, how well it agrees."""
    source = wanted.source
    memory = {} if compiled.memory_bytes is None else {"memory_bytes": str(compiled.memory_bytes + source.tail_bytes)}
    return {
        "precision": wanted.precision,
        "opset": str(source.onnx.opset),
        "inputs": ", ".join(map(str, source.onnx.inputs)),
        "outputs": ", ".join(map(str, source.onnx.outputs)),
        **source.onnx.macs_fact,
        **source.tail_facts,
        **memory,
        **compiled.facts,
        **own,
        **agreement_facts(agreement),
    }


def _engine(wanted: Compilation, cached: CachedEngine, *, fresh: bool) -> Engine:
    """A cached engine as a build takes it."""
    source = wanted.source
    return Engine(
        entry=EngineEntry(
            name=source.name,
            runner=wanted.kind,
            path=f"engines/{source.name}{wanted.suffix}",
            model_sha256=source.sha256,
            facts=cached.record.facts,
            tail=f"engines/{source.name}.tail.onnx" if source.tail else "",
        ),
        file=cached.file,
        answers=cached.answers,
        expected=cached.expected,
        pictures=source.pictures.files,
        tail=source.tail.file if source.tail else None,
        from_cache=not fresh,
        notes=(*source.notes, *cached.record.notes),
    )
