"""Engines for ONNX Runtime on the CPU: the model itself, its int8 form, or what a board's own optimiser makes of it."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import time

import numpy as np
import onnx
import onnxruntime as ort  # type: ignore[import-untyped]

from edgekit.errors import EngineError
from edgekit.host.engine.agreement import compare
from edgekit.host.engine.backends import Bench, Engine, ModelSource
from edgekit.host.engine.builder.engines import Order, key_of, obtain
from edgekit.host.engine.builder.job import Job
from edgekit.host.engine.layers import compare_layers
from edgekit.host.engine.pictures import digest_of, read_pictures, tensor_of
from edgekit.host.engine.quantise import quantise
from edgekit.host.engine.ranges import check_ranges
from edgekit.host.engine.reference import answers_of, answers_of_bytes
from edgekit.host.engine.rknn.refusals import tail_of
from edgekit.host.engine.runtime_words import runtime_words
from edgekit.host.engine.store import EngineRecord, KeptEngine
from edgekit.host.engine.verdict import check_agreement
from edgekit.schema.building import BuildRequest
from edgekit.schema.manifest import EngineEntry
from edgekit.schema.target import Accelerator
from edgekit.trust import sha256_bytes

_FORMAT = 1
"""Of the keys; raise it when engines are made in another way."""
_SPARE_FRAMES = 8
"""Calibration pictures that stand in where a recipe has no golden frames."""
_ERRORS_ONLY = 3


def compile_model(source: ModelSource, bench: Bench) -> Engine:
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
    return Engine(entry=_entry(source, _facts(source, "float32")), file=source.path, notes=told)


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


def _entry(source: ModelSource, facts: dict[str, str]) -> EngineEntry:
    return EngineEntry(
        name=source.name,
        runner="onnxruntime",
        path=f"engines/{source.name}.onnx",
        model_sha256=source.onnx.sha256,
        facts=facts,
    )


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


def _quantised(source: ModelSource, bench: Bench) -> Engine:
    """int8, from the cache or made here; verified either way."""
    if not source.calibration:
        raise EngineError(
            f'models.{source.name}: cpu_precision = "int8" needs pictures to find ranges with',
            hint='name them: calibration = ["calibration/*.png"]',
        )
    contract = source.model.input
    calibration = read_pictures(source.calibration, contract)
    frames = read_pictures(source.golden or source.calibration[:_SPARE_FRAMES], contract)
    said = {
        "format": _FORMAT,
        "model": source.onnx.sha256,
        "input": dataclasses.asdict(contract),
        "quantisation": dataclasses.asdict(source.model.quantisation),
        "calibration": digest_of(calibration),
        "frames": digest_of(frames),
        "onnxruntime": ort.__version__,
    }
    key = hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()
    kept = bench.store.find(key)
    fresh = kept is None
    if kept is None:
        kept = _make(source, key, calibration, tensor_of(frames, contract), bench)
    record = kept.record
    engine, tensors = kept.file, tensor_of(frames, contract)
    check_agreement(
        source.name,
        record.agreement,
        source.model.tolerance,
        lambda: compare_layers(source.path, engine, tensors[:1]),
    )
    return Engine(entry=_entry(source, record.facts), file=kept.file, from_cache=not fresh, notes=record.notes)


def _make(
    source: ModelSource,
    key: str,
    calibration: np.ndarray[tuple[int, ...], np.dtype[np.uint8]],
    frames: np.ndarray[tuple[int, ...], np.dtype[np.generic]],
    bench: Bench,
) -> KeptEngine:
    began, recipe = time.monotonic(), source.model
    inputs, proto = tensor_of(calibration, recipe.input), onnx.load(source.path)
    kept_float = tail_of(proto, recipe.quantisation.keep_float)
    check_ranges(source.path, proto, answers_of(source.path, inputs[:_SPARE_FRAMES]), kept_float)
    with bench.progress.step(f"quantising {source.name} for the CPU, int8 from {len(calibration)} pictures"):
        made = quantise(source.path, inputs, recipe.quantisation, "cpu")
    answers = answers_of_bytes(made.model, frames, source.path)
    agreement = compare(answers_of(source.path, frames), answers)
    facts = _facts(source, "int8") | {
        "opset": str(
            max(entry.version for entry in onnx.load_from_string(made.model).opset_import if not entry.domain)
        ),
        "quantiser": f"onnxruntime {ort.__version__}",
        "calibration": f"{len(calibration)} pictures, sha256 {digest_of(calibration)}",
        "quantisation": f"{recipe.quantisation.method}, {'channel' if recipe.quantisation.per_channel else 'layer'}",
        **{f"agreement.{one.output}": f"cosine {one.cosine_min:.6f}, max_abs {one.max_abs:.6g}" for one in agreement},
    }
    record = EngineRecord(
        model=source.name,
        kind="onnxruntime",
        target=source.target.name,
        filename=f"{source.name}.onnx",
        sha256=sha256_bytes(made.model),
        bytes=len(made.model),
        facts=facts,
        agreement=agreement,
        layers=(),
        warnings=made.notes,
        seconds=round(time.monotonic() - began, 3),
        peak_bytes=0,
    )
    return bench.store.keep(key, made.model, record, answers)


def _tuned(source: ModelSource, accelerator: Accelerator, bench: Bench) -> Engine:
    """What ONNX Runtime on a builder device makes of the model, for that very CPU."""
    contract = source.model.input
    frames = tensor_of(read_pictures(source.golden or source.calibration[:_SPARE_FRAMES], contract), contract)
    model = source.path.read_bytes()
    request = BuildRequest(kind="onnxruntime", model="model.onnx", engine="engine.onnx")
    job = Job(
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
    return obtain(Order(source=source, job=job, suffix=".onnx", check=lambda _: {"format": "onnx"}), bench)
