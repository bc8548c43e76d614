"""Engines for ONNX Runtime on the CPU: the model itself, its int8 form, or what a board's own optimiser makes of it."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import time

import onnx
import onnxruntime as ort  # type: ignore[import-untyped]

from edgekit.errors import EngineError
from edgekit.host.engine.bench import EngineBench
from edgekit.host.engine.builder.engines import EngineOrder, key_of, obtain
from edgekit.host.engine.builder.job import DeviceJob
from edgekit.host.engine.engine import Engine, engine_of
from edgekit.host.engine.model.quantise import Quantised, Style, quantise
from edgekit.host.engine.model.ranges import check_ranges
from edgekit.host.engine.model.reference import answers_of, answers_of_bytes
from edgekit.host.engine.model.runtime_words import runtime_words
from edgekit.host.engine.source import ModelSource
from edgekit.host.engine.store import CachedEngine, EngineRecord
from edgekit.host.engine.verify.cure import cure_for
from edgekit.host.engine.verify.layers import compare_layers
from edgekit.host.engine.verify.pictures import digest_of, tensor_of
from edgekit.host.engine.verify.verdict import check_agreement
from edgekit.host.engine.verify.verification import agreement_facts, hold_against
from edgekit.schema.building import BuildRequest
from edgekit.schema.manifest import EngineEntry
from edgekit.schema.target import Accelerator
from edgekit.trust import sha256_bytes

_FORMAT = 3
"""Of the keys; raise it when engines are made in another way."""
_RANGE_FRAMES = 8
"""Calibration pictures that tell whether an output mixes ranges."""
_ERRORS_ONLY = 3


def compile_model(source: ModelSource, bench: EngineBench) -> Engine:
    """Take the model as it is, unless the recipe or the target asks for more.

    Raises:
        EngineError: ONNX Runtime does not take the model, or int8 is too far from it.
    """
    check_loads(source)
    tuned = [accelerator for accelerator in source.target.accelerators if accelerator.kind == "onnxruntime"]
    if tuned:
        return _tuned(source, tuned[0], bench)
    if source.model.cpu_precision == "int8":
        return _quantised(source, bench)
    precision = source.model.precision
    told = (f"{source.name}: float32 on the CPU, {precision} is for accelerators",) if precision != "float32" else ()
    entry = EngineEntry(
        name=source.name,
        runner="onnxruntime",
        path=f"engines/{source.name}.onnx",
        model_sha256=source.sha256,
        facts=_facts(source, "float32"),
    )
    return Engine(entry=entry, file=source.path, notes=told)


def check_loads(source: ModelSource) -> None:
    """Refuse here what would not start on the board. Raises EngineError with the node's name."""
    options = ort.SessionOptions()
    options.log_severity_level = _ERRORS_ONLY
    options.intra_op_num_threads = 1
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    try:
        ort.InferenceSession(str(source.path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's errors share no class of their own
        raise EngineError(
            f"{source.file}: ONNX Runtime {ort.__version__} cannot run it: {runtime_words(error)}",
            hint="replace that operator, or export the model again",
        ) from None


def _facts(source: ModelSource, precision: str) -> dict[str, str]:
    return {
        "format": "onnx",
        "precision": precision,
        "opset": str(source.onnx.opset),
        "ir_version": str(source.onnx.ir_version),
        "inputs": ", ".join(map(str, source.onnx.inputs)),
        "outputs": ", ".join(map(str, source.onnx.outputs)),
        **source.onnx.macs_fact,
    }


def _quantised(source: ModelSource, bench: EngineBench) -> Engine:
    """int8, from the cache or made here; verified either way."""
    pictures = source.pictures
    if not pictures.calibration:
        raise EngineError(
            f'models.{source.name}: cpu_precision = "int8" needs pictures to find ranges with',
            hint='name them: calibration = ["calibration/*.png"]',
        )
    said = {
        "format": _FORMAT,
        "model": source.onnx.sha256,
        "tail": source.tail.sha256 if source.tail else "",
        "input": dataclasses.asdict(source.model.input),
        "quantisation": dataclasses.asdict(source.model.quantisation),
        "calibration": digest_of(pictures.ranges),
        "frames": pictures.digest,
        "onnxruntime": ort.__version__,
    }
    key = hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()
    kept = bench.store.find(key)
    fresh = kept is None
    if kept is None:
        kept = _make(source, key, bench)
    engine = kept.file
    check_agreement(
        source.name,
        kept.record.agreement,
        source.model.tolerance,
        cure_for(source, "int8"),
        lambda: compare_layers(source.path, engine, pictures.tensors[:1]),
    )
    return engine_of(source, kept, "onnxruntime", ".onnx", fresh=fresh)


def _make(source: ModelSource, key: str, bench: EngineBench) -> CachedEngine:
    began, recipe, pictures = time.monotonic(), source.model, source.pictures
    made = quantise_checked(source, "cpu", bench)
    verified = hold_against(
        source.path, source.tail, pictures, answers_of_bytes(made.model, pictures.tensors, source.path)
    )
    facts = _facts(source, "int8") | {
        "opset": str(
            max(entry.version for entry in onnx.load_from_string(made.model).opset_import if not entry.domain)
        ),
        "quantiser": f"onnxruntime {ort.__version__}",
        "calibration": f"{len(pictures.calibration)} pictures, sha256 {digest_of(pictures.ranges)}",
        "quantisation": f"{recipe.quantisation.method}, {'channel' if recipe.quantisation.per_channel else 'layer'}",
        **source.tail_facts,
        **agreement_facts(verified.agreement),
    }
    record = EngineRecord(
        model=source.name,
        kind="onnxruntime",
        target=source.target.name,
        filename=f"{source.name}.onnx",
        sha256=sha256_bytes(made.model),
        bytes=len(made.model),
        facts=facts,
        agreement=verified.agreement,
        layers=(),
        warnings=made.notes,
        seconds=round(time.monotonic() - began, 3),
        peak_bytes=0,
        tail_ms=source.tail_ms,
    )
    return bench.store.keep(key, made.model, record, verified.answers, verified.expected)


def quantise_checked(source: ModelSource, style: Style, bench: EngineBench) -> Quantised:
    """int8 by ONNX Runtime's quantiser, unless an output mixes ranges and nothing of it stays float.

    Raises:
        EngineError: it does, or it cannot be quantised.
    """
    inputs, kept = tensor_of(source.pictures.ranges, source.model.input), source.model.quantisation.keep_float
    proto = onnx.load(source.path)
    made = {name for node in proto.graph.node for name in node.output}
    unknown = [name for name in kept if name not in made]
    if unknown:
        raise EngineError(
            f"models.{source.name}: quantisation.keep_float names {unknown[0]}, which no node makes",
            hint="name a tensor of the model, as edgekit engine show and Netron do",
        )
    if not kept:
        check_ranges(source.file, proto, answers_of(source.path, inputs[:_RANGE_FRAMES]))
    with bench.progress.step(f"quantising {source.name} to int8 from {len(inputs)} pictures"):
        return quantise(source.path, inputs, source.model.quantisation, style)


def _tuned(source: ModelSource, accelerator: Accelerator, bench: EngineBench) -> Engine:
    """What ONNX Runtime on a builder device makes of the model, for that very CPU."""
    contract, frames = source.model.input, source.pictures.tensors
    model = source.path.read_bytes()
    request = BuildRequest(kind="onnxruntime", model="model.onnx", engine="engine.onnx")
    job = DeviceJob(
        name=source.name,
        key=key_of(source.target, accelerator, _FORMAT, source.onnx.sha256, contract, request, digest_of(frames)),
        target=source.target,
        accelerator=accelerator,
        request=request,
        model=model,
        timing_cache=b"",
        input=contract,
        frames=frames,
    )
    return obtain(EngineOrder(source=source, job=job, suffix=".onnx", check=lambda _: {"format": "onnx"}), bench)
