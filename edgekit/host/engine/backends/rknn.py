"""Engines for the NPU of RK3588: compiled here by the vendor's toolkit, verified in its simulator."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from io import BytesIO
from pathlib import Path

import onnx

from edgekit.errors import EngineError
from edgekit.host.engine.bench import EngineBench
from edgekit.host.engine.engine import Engine, engine_of
from edgekit.host.engine.files.rknn_file import RknnFault, RknnFile, parse_rknn
from edgekit.host.engine.model.answers import Answers
from edgekit.host.engine.model.faults import refuse
from edgekit.host.engine.model.graph import computed_from
from edgekit.host.engine.model.ranges import check_ranges
from edgekit.host.engine.model.reference import answers_of
from edgekit.host.engine.rknn import conversion
from edgekit.host.engine.rknn.conversion import Converted, RknnConverter, RknnJob
from edgekit.host.engine.rknn.refusals import refusals
from edgekit.host.engine.rknn.toolkit import choose_version
from edgekit.host.engine.source import ModelSource
from edgekit.host.engine.store import EngineRecord, Placed
from edgekit.host.engine.verify.agreement import Agreement
from edgekit.host.engine.verify.cure import cure_for
from edgekit.host.engine.verify.pictures import digest_of, tensor_of
from edgekit.host.engine.verify.verdict import LayerError, check_agreement
from edgekit.host.engine.verify.verification import agreement_facts, hold_against
from edgekit.schema.target import Accelerator
from edgekit.trust import sha256_bytes, sha256_file

_RANGE_FRAMES = 8
"""Calibration pictures that tell whether an output mixes ranges."""
_FORMAT = 2
"""Of the key; raise it when engines are made in another way."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class _Order:
    """A job, and what it was made from."""

    source: ModelSource
    version: str
    job: RknnJob
    key: str


def compile_model(source: ModelSource, bench: EngineBench) -> Engine:
    """Compile a model for the target's NPU, or take it from the cache; verified either way.

    Raises:
        EngineError: it cannot be compiled, or does not agree with the float model.
    """
    accelerator = _accelerator(source)
    proto = onnx.load(source.path)
    refuse(source.file, refusals(proto, source.model))
    version = choose_version(accelerator.runtime_version, bench.toolkits.versions)
    order = _order(source, version, accelerator.soc, proto, bench)
    kept = bench.store.find(order.key)
    fresh = kept is None
    if kept is None:
        kept = bench.store.keep(order.key, *_make(order, proto, bench))
    cure = cure_for(source, source.model.precision)
    check_agreement(source.name, kept.record.agreement, source.model.tolerance, cure, lambda: _analyse(order, bench))
    return engine_of(source, kept, "rknn", ".rknn", fresh=fresh)


def _accelerator(source: ModelSource) -> Accelerator:
    found = [accelerator for accelerator in source.target.accelerators if accelerator.kind == "rknn"]
    if not found:
        raise EngineError(
            f"{source.target.name} has no NPU that takes RKNN engines", hint="build for an RK3588: edgekit target list"
        )
    return found[0]


def _order(source: ModelSource, version: str, platform: str, proto: onnx.ModelProto, bench: EngineBench) -> _Order:
    recipe, contract = source.model, source.model.input
    int8 = recipe.precision == "int8"
    pixels = source.pictures.pixels
    job = RknnJob(
        model=source.path,
        file=source.file,
        platform=platform,
        mean=contract.means,
        std=tuple(1 / scale for scale in contract.scales),
        quantisation=recipe.quantisation if int8 else None,
        keep_float=computed_from(proto, recipe.quantisation.keep_float) if int8 else (),
        calibration=source.pictures.ranges if int8 else pixels[:0],
        frames=pixels,
    )
    key = _key(job, source, version, bench)
    return _Order(source=source, version=version, job=dataclasses.replace(job, custom=f"edgekit {key}"), key=key)


def _key(job: RknnJob, source: ModelSource, version: str, bench: EngineBench) -> str:
    """Everything that can change the engine or what is recorded of it."""
    said = {
        "format": _FORMAT,
        "model": source.onnx.sha256,
        "tail": source.tail.sha256 if source.tail else "",
        "platform": job.platform,
        "mean": job.mean,
        "std": job.std,
        "input": dataclasses.asdict(source.model.input),
        "quantisation": job.quantisation and dataclasses.asdict(job.quantisation),
        "calibration": digest_of(job.calibration),
        "frames": digest_of(job.frames),
        "toolkit": sha256_file(bench.toolkits.lock(version)),
        "worker": sha256_file(Path(conversion.__file__).with_name("worker.py")),
    }
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


def _make(order: _Order, proto: onnx.ModelProto, bench: EngineBench) -> tuple[bytes, EngineRecord, Answers, Answers]:
    source, job = order.source, order.job
    if job.quantisation is not None and not job.keep_float:
        some = source.pictures.ranges[:_RANGE_FRAMES]
        check_ranges(source.file, proto, answers_of(source.path, tensor_of(some, source.model.input)))
    converter = RknnConverter(toolkit=bench.toolkits.open(order.version), executor=bench.executor)
    precision = "float16" if job.quantisation is None else f"int8 from {len(job.calibration)} pictures"
    with bench.progress.step(f"compiling {source.name} for {job.platform}, {precision}"):
        made = converter.convert(job)
    names = [output.name for output in source.onnx.outputs]
    found = dict(zip(names, made.answers, strict=True))
    verified = hold_against(source.path, source.tail, source.pictures, found)
    facts = parse_rknn(BytesIO(made.engine))
    if isinstance(facts, RknnFault):
        raise EngineError(f"{source.file}: the engine that came out is none: {facts.reason}", hint="report this")
    record = _record(order, made, facts, verified.agreement)
    return made.engine, record, verified.answers, verified.expected


def _analyse(order: _Order, bench: EngineBench) -> tuple[LayerError, ...]:
    converter = RknnConverter(toolkit=bench.toolkits.open(order.version), executor=bench.executor)
    with bench.progress.step(f"looking where the error of {order.source.name} starts"):
        return converter.convert(order.job, analyse=True).layer_errors


def _record(order: _Order, made: Converted, file: RknnFile, agreement: tuple[Agreement, ...]) -> EngineRecord:
    unsettled = () if made.settled else ("addresses could not be fixed here: this engine's bytes will not come again",)
    return EngineRecord(
        model=order.source.name,
        kind="rknn",
        target=order.source.target.name,
        filename=f"{order.source.name}.rknn",
        sha256=sha256_bytes(made.engine),
        bytes=len(made.engine),
        facts=_facts(order, made, file, agreement),
        agreement=agreement,
        layers=tuple(
            Placed(
                kind=layer.kind,
                name=layer.name,
                place=layer.place,
                dtype=layer.dtype,
                cycles=layer.cycles,
                traffic_bytes=layer.traffic_bytes,
            )
            for layer in made.account.layers
        ),
        warnings=made.account.warnings + unsettled,
        seconds=round(sum(made.seconds.values()), 3),
        peak_bytes=made.peak_bytes,
        tail_ms=order.source.tail_ms,
    )


def _facts(order: _Order, made: Converted, file: RknnFile, agreement: tuple[Agreement, ...]) -> dict[str, str]:
    """What the manifest tells of the engine."""
    source, job, account = order.source, order.job, made.account
    facts = {
        "format": f"rknn {file.format_version}",
        "toolkit": file.toolkit,
        "build_id": file.build_id,
        "platform": ", ".join(file.platforms),
        "precision": "float16" if job.quantisation is None else "int8",
        "inputs": ", ".join(map(str, file.inputs)),
        "outputs": ", ".join(map(str, file.outputs)),
        "opset": str(source.onnx.opset),
        **source.onnx.macs_fact,
        "npu_cycles": str(account.cycles),
        "cpu_layers": ", ".join(f"{layer.kind} {layer.name}" for layer in account.on_cpu),
        "memory_bytes": str(account.internal_bytes + account.weight_bytes + source.tail_bytes),
        **source.tail_facts,
    }
    if job.quantisation is not None:
        facts |= {
            "calibration": f"{len(job.calibration)} pictures, sha256 {digest_of(job.calibration)}",
            "quantisation": f"{job.quantisation.method}, {'channel' if job.quantisation.per_channel else 'layer'}",
            "kept_float": ", ".join(made.kept_float),
        }
    return facts | agreement_facts(agreement)
