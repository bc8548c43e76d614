"""Engines for the NPU of RK3588: compiled here by the vendor's toolkit, verified in its simulator."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from io import BytesIO
from pathlib import Path

import onnx

from edgekit.errors import EngineError
from edgekit.host.engine.agreement import Agreement, Answers, compare
from edgekit.host.engine.backends import Bench, Engine, ModelSource
from edgekit.host.engine.faults import refuse
from edgekit.host.engine.pictures import digest_of, read_pictures, tensor_of
from edgekit.host.engine.ranges import check_ranges
from edgekit.host.engine.reference import answers_of
from edgekit.host.engine.rknn import conversion
from edgekit.host.engine.rknn.conversion import Converted, Converter, Job
from edgekit.host.engine.rknn.refusals import refusals, tail_of
from edgekit.host.engine.rknn.toolkit import choose_version
from edgekit.host.engine.rknn_file import RknnFault, RknnFile, parse_rknn
from edgekit.host.engine.store import EngineRecord, Placed
from edgekit.host.engine.verdict import LayerError, check_agreement
from edgekit.schema.manifest import EngineEntry
from edgekit.schema.target import Accelerator
from edgekit.trust import sha256_bytes, sha256_file

_SPARE_FRAMES = 8
"""Calibration pictures that stand in where a recipe has no golden frames."""
_FORMAT = 1
"""Of the key; raise it when engines are made in another way."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class _Order:
    """A job, and what it was made from."""

    source: ModelSource
    version: str
    job: Job
    key: str


def compile_model(source: ModelSource, bench: Bench) -> Engine:
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
    agreement = kept.record.agreement
    check_agreement(source.name, agreement, source.model.tolerance, lambda: _analyse(order, bench))
    entry = EngineEntry(
        name=source.name,
        runner="rknn",
        path=f"engines/{source.name}.rknn",
        model_sha256=source.onnx.sha256,
        facts=kept.record.facts,
    )
    return Engine(
        entry=entry,
        file=kept.file,
        answers=kept.answers if source.golden else None,
        from_cache=not fresh,
        notes=kept.record.notes,
    )


def _accelerator(source: ModelSource) -> Accelerator:
    found = [accelerator for accelerator in source.target.accelerators if accelerator.kind == "rknn"]
    if not found:
        raise EngineError(
            f"{source.target.name} has no NPU that takes RKNN engines", hint="build for an RK3588: edgekit target list"
        )
    return found[0]


def _order(source: ModelSource, version: str, platform: str, proto: onnx.ModelProto, bench: Bench) -> _Order:
    recipe, contract = source.model, source.model.input
    int8 = recipe.precision == "int8"
    calibration = read_pictures(source.calibration if int8 else (), contract)
    frames = read_pictures(source.golden or source.calibration[:_SPARE_FRAMES], contract)
    job = Job(
        model=source.path,
        file=source.file,
        platform=platform,
        mean=contract.means,
        std=tuple(1 / scale for scale in contract.scales),
        quantisation=recipe.quantisation if int8 else None,
        keep_float=tail_of(proto, recipe.quantisation.keep_float) if int8 else (),
        calibration=calibration,
        frames=frames,
    )
    key = _key(job, source, version, bench)
    return _Order(source=source, version=version, job=dataclasses.replace(job, custom=f"edgekit {key}"), key=key)


def _key(job: Job, source: ModelSource, version: str, bench: Bench) -> str:
    """Everything that can change the engine or what is recorded of it."""
    said = {
        "format": _FORMAT,
        "model": source.onnx.sha256,
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


def _make(order: _Order, proto: onnx.ModelProto, bench: Bench) -> tuple[bytes, EngineRecord, Answers]:
    source, job = order.source, order.job
    expected = answers_of(source.path, tensor_of(job.frames, source.model.input)) if len(job.frames) else {}
    if job.quantisation is not None:
        seen = answers_of(source.path, tensor_of(job.calibration[:_SPARE_FRAMES], source.model.input))
        check_ranges(source.path, proto, seen, job.keep_float)
    converter = Converter(toolkit=bench.toolkits.open(order.version), executor=bench.executor)
    precision = "float16" if job.quantisation is None else f"int8 from {len(job.calibration)} pictures"
    with bench.progress.step(f"compiling {source.name} for {job.platform}, {precision}"):
        made = converter.convert(job)
    names = [output.name for output in source.onnx.outputs]
    answers = dict(zip(names, made.answers, strict=True)) if expected else {}
    agreement = compare(expected, answers)
    facts = parse_rknn(BytesIO(made.engine))
    if isinstance(facts, RknnFault):
        raise EngineError(f"{source.file}: the engine that came out is none: {facts.reason}", hint="report this")
    return made.engine, _record(order, made, facts, agreement), answers


def _analyse(order: _Order, bench: Bench) -> tuple[LayerError, ...]:
    converter = Converter(toolkit=bench.toolkits.open(order.version), executor=bench.executor)
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
        "memory_bytes": str(account.internal_bytes + account.weight_bytes),
    }
    if job.quantisation is not None:
        facts |= {
            "calibration": f"{len(job.calibration)} pictures, sha256 {digest_of(job.calibration)}",
            "quantisation": f"{job.quantisation.method}, {'channel' if job.quantisation.per_channel else 'layer'}",
            "kept_float": ", ".join(made.kept_float),
        }
    for one in agreement:
        facts[f"agreement.{one.output}"] = f"cosine {one.cosine_min:.6f}, max_abs {one.max_abs:.6g}"
    return facts
