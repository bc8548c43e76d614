"""Engines for ONNX Runtime on the CPU: the model itself, its int8 form, or the form optimised on a board."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import onnx
import onnxruntime as ort  # type: ignore[import-untyped]

from edgekit.errors import EngineError
from edgekit.host.engine.backends import choose_backend
from edgekit.host.engine.backends.on_device import DeviceCompilation, engine_key
from edgekit.host.engine.bench import EngineBench
from edgekit.host.engine.engine import Engine
from edgekit.host.engine.inspection.asking import inspect_engine
from edgekit.host.engine.making import Compilation
from edgekit.host.engine.model.onnx_engine import check_onnx_engine
from edgekit.host.engine.model.onnx_model import opset_of
from edgekit.host.engine.model.quantise import Quantised, Style, describe_quantisation, quantise
from edgekit.host.engine.model.ranges import check_ranges
from edgekit.host.engine.model.reference import answers_of, answers_of_bytes
from edgekit.host.engine.pictures.read import digest_of
from edgekit.host.engine.record import CompiledEngine
from edgekit.host.engine.source import ModelSource
from edgekit.host.engine.store import cache_key
from edgekit.host.engine.verify.layers import compare_layers
from edgekit.host.engine.verify.verdict import LayerError
from edgekit.imaging.conversion import tensors_of
from edgekit.schema.building import BuildRequest
from edgekit.schema.manifest import EngineEntry
from edgekit.schema.target import Accelerator

_FORMAT = 5
"""Of the keys; raise it when engines are made in another way."""
_RANGE_FRAMES = 8
"""Calibration pictures that tell whether an output mixes ranges."""


def plan_engine(source: ModelSource, bench: EngineBench) -> Compilation | Engine:
    """How a model is compiled for a CPU; the engine itself where the model is taken as it is.

    Raises:
        EngineError: int8 has no pictures to find ranges with.
    """
    tuned = [accelerator for accelerator in source.target.accelerators if accelerator.kind == "onnxruntime"]
    if tuned and source.model.input is not None:
        return _tuned(source, tuned[0], bench)
    if source.model.cpu_precision == "int8":
        return _int8(source, bench)
    return _as_it_is(source)


def _as_it_is(source: ModelSource) -> Engine:
    notes, precision = list[str](), source.model.precision
    if precision != "float32":
        notes.append(f"{source.name}: float32 on the CPU, {precision} is for accelerators")
    if source.model.input is None and choose_backend(source.target) != "onnxruntime":
        notes.append(f"{source.name}: the CPU runs it: it takes no picture")
    facts = {
        "format": "onnx",
        "precision": "float32",
        "opset": str(source.onnx.opset),
        "ir_version": str(source.onnx.ir_version),
        "inputs": ", ".join(map(str, source.onnx.inputs)),
        "outputs": ", ".join(map(str, source.onnx.outputs)),
        **source.onnx.macs_fact,
    }
    entry = EngineEntry(
        name=source.name,
        runner="onnxruntime",
        path=f"engines/{source.name}.onnx",
        model_sha256=source.sha256,
        facts=facts,
    )
    return Engine(entry=entry, file=source.path, notes=tuple(notes))


@dataclass(frozen=True, kw_only=True)
class Int8Compilation(Compilation):
    """The model with int8 ranges in it, made by ONNX Runtime's quantiser."""

    bench: EngineBench

    def compile(self) -> CompiledEngine:
        """Quantise, and run the outcome."""
        began, source = time.monotonic(), self.source
        pictures, quantisation = source.pictures, source.model.quantisation
        made = quantise_checked(source, "cpu", self.bench)
        return CompiledEngine(
            engine=made.model,
            answers=answers_of_bytes(made.model, pictures.tensors, source.path),
            facts={
                "quantiser": f"onnxruntime {ort.__version__}",
                "calibration": f"{len(pictures.calibration)} pictures, sha256 {digest_of(pictures.ranges)}",
                "quantisation": describe_quantisation(quantisation),
            },
            warnings=made.notes,
            seconds=round(time.monotonic() - began, 3),
        )

    def check(self, compiled: CompiledEngine) -> Mapping[str, str]:
        """What a runtime must know to load it."""
        model = check_onnx_engine(compiled.engine, self.source.onnx)
        return {
            "format": "onnx",
            "opset": str(opset_of(model)),
            "ir_version": str(self.source.onnx.ir_version),
        }

    def compare_layers(self, engine: Path) -> tuple[LayerError, ...]:
        """Tensor by tensor, in both graphs."""
        return compare_layers(self.source.path, engine, self.source.pictures.tensors[:1])


def _int8(source: ModelSource, bench: EngineBench) -> Compilation:
    if not source.pictures.calibration:
        raise EngineError(
            f'models.{source.name}: cpu_precision = "int8" needs pictures to find ranges with',
            hint='name them: calibration = ["calibration/*.png"]',
        )
    key = cache_key(
        format=_FORMAT,
        model=source.onnx.sha256,
        tail=source.tail.sha256 if source.tail else "",
        input=source.model.contract,
        quantisation=source.model.quantisation,
        calibration=digest_of(source.pictures.ranges),
        frames=source.pictures.digest,
        onnxruntime=ort.__version__,
    )
    return Int8Compilation(source=source, kind="onnxruntime", key=key, precision="int8", suffix=".onnx", bench=bench)


def quantise_checked(source: ModelSource, style: Style, bench: EngineBench) -> Quantised:
    """Quantise to int8 with ONNX Runtime, unless an output mixes ranges and nothing of it stays float.

    Raises:
        EngineError: it does, or it cannot be quantised.
    """
    inputs, keep_float = tensors_of(source.pictures.ranges, source.model.contract), source.model.quantisation.keep_float
    proto = onnx.load(source.path)
    made = {name for node in proto.graph.node for name in node.output}
    unknown = [name for name in keep_float if name not in made]
    if unknown:
        raise EngineError(
            f"models.{source.name}: quantisation.keep_float names {unknown[0]}, which no node makes",
            hint="name a tensor of the model, as edgekit engine show and Netron do",
        )
    if not keep_float:
        check_ranges(source.file, proto, answers_of(source.path, inputs[:_RANGE_FRAMES]))
    with bench.progress.step(f"quantising {source.name} to int8 from {len(inputs)} pictures"):
        return quantise(source.path, inputs, source.model.quantisation, style)


@dataclass(frozen=True, kw_only=True)
class TunedCompilation(DeviceCompilation):
    """The model as ONNX Runtime optimises it on a builder device, for that very CPU."""

    def check(self, compiled: CompiledEngine) -> Mapping[str, str]:
        """Have the model read that came: a device's word that it has run it is no proof."""
        inspect_engine(compiled.engine, self.source.onnx, self.bench.executor, self.bench.limits)
        return {"format": "onnx"}


def _tuned(source: ModelSource, accelerator: Accelerator, bench: EngineBench) -> Compilation:
    request = BuildRequest(kind="onnxruntime", model="model.onnx", engine="engine.onnx")
    return TunedCompilation(
        source=source,
        kind="onnxruntime",
        key=engine_key(source, accelerator, request, format=_FORMAT),
        precision=request.precision,
        suffix=".onnx",
        bench=bench,
        accelerator=accelerator,
        request=request,
        model=source.path.read_bytes(),
    )
