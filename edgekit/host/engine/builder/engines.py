"""Engines of builder devices: from the cache, or made once, verified, kept."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass

from edgekit.host.engine.bench import EngineBench
from edgekit.host.engine.builder.job import CompiledEngine, DeviceJob
from edgekit.host.engine.builder.remote import make_on_device
from edgekit.host.engine.engine import Engine, engine_of
from edgekit.host.engine.source import ModelSource
from edgekit.host.engine.store import CachedEngine, EngineRecord
from edgekit.host.engine.verify.agreement import Agreement
from edgekit.host.engine.verify.cure import cure_for
from edgekit.host.engine.verify.verdict import check_agreement
from edgekit.host.engine.verify.verification import agreement_facts, hold_against
from edgekit.schema.target import Accelerator, AcceleratorKind, Target
from edgekit.trust import sha256_bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineOrder:
    """An engine that is wanted."""

    source: ModelSource
    job: DeviceJob
    suffix: str
    """Of its file: `.plan`."""
    check: Callable[[bytes], Mapping[str, str]]
    """Reads what came back; gives what it says of itself. Raises EngineError where it is not what was wanted."""
    prove: Callable[[], None] = lambda: None
    """Looks for what can be found wrong without a device, before one is asked. Raises EngineError."""

    @property
    def kind(self) -> AcceleratorKind:
        """Of the engine."""
        return self.job.request.kind


def obtain(order: EngineOrder, bench: EngineBench) -> Engine:
    """An engine from the cache; else from a builder device, verified against the float model before it is kept.

    Twins share it: as many builds as there are kinds of devices, however many ask and when.

    Raises:
        EngineError: no device may make it, it cannot be compiled, or it does not agree with the float model.
        LockHeld: all devices are taken.
        Unreachable: the link broke.
    """
    key, fresh = order.job.key, False
    kept = bench.store.find(key)
    if kept is None:
        with bench.store.alone(key):
            kept = bench.store.find(key)
            if kept is None:
                kept, fresh = _make(order, bench), True
    source = order.source
    cure = cure_for(source, order.job.request.precision)
    check_agreement(source.name, kept.record.agreement, source.model.tolerance, cure)
    return engine_of(source, kept, order.kind, order.suffix, fresh=fresh)


def key_of(target: Target, accelerator: Accelerator, *made_of: object) -> str:
    """Names an engine by the kind of device that it is for, and by everything else that can change it."""
    said = [asdict(accelerator), target.os.l4t, target.os.arch, *made_of]
    return hashlib.sha256(json.dumps(said, sort_keys=True, default=_plain).encode()).hexdigest()


def _plain(value: object) -> object:
    return sha256_bytes(value) if isinstance(value, bytes) else asdict(value)  # type: ignore[call-overload]


def kind_of_device(target: Target, accelerator: Accelerator) -> str:
    """Names devices that time alike: for their common timing cache."""
    return key_of(target, accelerator, "timings")


def _make(order: EngineOrder, bench: EngineBench) -> CachedEngine:
    job, source = order.job, order.source
    order.prove()
    made = make_on_device(job, bench.builders, bench.progress)
    told = order.check(made.engine)
    verified = hold_against(source.path, source.tail, source.pictures, made.answers)
    if made.timing_cache:
        bench.store.keep_timings(kind_of_device(job.target, job.accelerator), made.timing_cache)
    record = EngineRecord(
        model=source.name,
        kind=order.kind,
        target=job.target.name,
        filename=f"{source.name}{order.suffix}",
        sha256=sha256_bytes(made.engine),
        bytes=len(made.engine),
        facts=_facts(order, made, told, verified.agreement),
        agreement=verified.agreement,
        layers=(),
        warnings=made.built.warnings,
        seconds=made.built.seconds,
        peak_bytes=made.built.peak_bytes,
        tail_ms=source.tail_ms,
    )
    return bench.store.keep(job.key, made.engine, record, verified.answers, verified.expected)


def _facts(
    order: EngineOrder, made: CompiledEngine, told: Mapping[str, str], agreement: tuple[Agreement, ...]
) -> dict[str, str]:
    """What the manifest tells of it: what must be the same on every device that loads it, and how it was made."""
    source, request = order.source, order.job.request
    facts = {
        **told,
        "precision": request.precision,
        "opset": str(source.onnx.opset),
        "inputs": ", ".join(map(str, source.onnx.inputs)),
        "outputs": ", ".join(map(str, source.onnx.outputs)),
        **source.onnx.macs_fact,
        "memory_bytes": str((made.tried.memory_bytes or made.built.gpu_peak_bytes) + source.tail_bytes),
        **source.tail_facts,
        "l4t": made.facts.l4t,
        "dla": "" if request.dla_core < 0 else str(request.dla_core),
        "device": made.facts.model or made.facts.os_title,
    }
    if order.job.calibration:
        facts["calibration"] = order.job.calibration
    return facts | agreement_facts(agreement)
