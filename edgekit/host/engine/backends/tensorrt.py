"""Engines for the GPU of Jetson Orin: compiled on such a board, because TensorRT times its kernels on the GPU at hand.

No machine can stand in for it: the builder has no switch for another GPU, and x86-64 libraries hold no code for SM 87.
Source: NVIDIA's support matrix; the binaries. So this module prepares the model, and `builder/` has it compiled.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from io import BytesIO

import onnx

from edgekit.errors import EngineError
from edgekit.host.engine.backends.on_device import DeviceCompilation, engine_key
from edgekit.host.engine.backends.onnxruntime import quantise_checked
from edgekit.host.engine.bench import EngineBench
from edgekit.host.engine.builder.bounds import bounds_for
from edgekit.host.engine.builder.measured import same_version
from edgekit.host.engine.files.gpu_code import find_gpu_code, runs_on
from edgekit.host.engine.files.plan_file import PlanFault, parse_plan
from edgekit.host.engine.making import Compilation
from edgekit.host.engine.model.faults import DYNAMIC, node_name, refuse
from edgekit.host.engine.model.half import to_half
from edgekit.host.engine.model.prepare.quantised import quantised_at, unfit_pair
from edgekit.host.engine.model.reference import answers_of_bytes
from edgekit.host.engine.pictures.read import digest_of
from edgekit.host.engine.record import CompiledEngine
from edgekit.host.engine.source import ModelSource
from edgekit.host.engine.verify.cure import cure_for
from edgekit.host.engine.verify.verdict import check_agreement
from edgekit.host.engine.verify.verification import verify_answers
from edgekit.schema.building import BuildRequest
from edgekit.schema.target import Accelerator, Target
from edgekit.schema.units import leading_version, version_tuple

_FORMAT = 3
"""Of the key; raise it when engines are made in another way."""
_STRONGLY_TYPED = (11,)
"""From here on precisions come from the model alone. Source: the recorded API."""
_FOREIGN = "export the model with operators of ONNX alone"


def plan_engine(source: ModelSource, bench: EngineBench) -> Compilation:
    """How a model is compiled on a builder device.

    Raises:
        EngineError: it cannot be: the target has no GPU, or TensorRT does not take the model.
    """
    accelerator = accelerator_of(source.target)
    proto = onnx.load(source.path)
    refuse(source.file, refusals(proto, source, accelerator))
    return _compilation(source, accelerator, proto, bench)


def accelerator_of(target: Target) -> Accelerator:
    """A target's GPU. Raises EngineError where it has none."""
    found = [accelerator for accelerator in target.accelerators if accelerator.kind == "tensorrt"]
    if not found:
        raise EngineError(
            f"{target.name} has no GPU that takes TensorRT engines", hint="build for a Jetson Orin: edgekit target list"
        )
    return found[0]


def refusals(model: onnx.ModelProto, source: ModelSource, accelerator: Accelerator) -> tuple[str, ...]:
    """Every reason why a model cannot become an engine, each a sentence; none where a builder may try."""
    unfit = unfit_pair(model)
    ranges = (f"{unfit}: give the float model that it was made from",) if unfit else ()
    return (*_nodes(model), *ranges, *_recipe(source, accelerator))


def _nodes(model: onnx.ModelProto) -> Iterator[str]:
    for index, node in enumerate(model.graph.node):
        name = node_name(node, index)
        if node.domain not in ("", "ai.onnx"):
            yield f"node {name}: operator {node.op_type} of domain {node.domain} is no part of ONNX: {_FOREIGN}"
        elif node.op_type in DYNAMIC:
            yield f"node {name}: operator {node.op_type} makes outputs of no fixed size: end the model before it"


def _recipe(source: ModelSource, accelerator: Accelerator) -> Iterator[str]:
    model, core = source.model, source.model.dla_core
    if model.precision == "int8" and not source.pictures.calibration:
        yield 'precision = "int8" needs pictures to find ranges with: name them in calibration'
    if core is not None and not 0 <= core < accelerator.dla_cores:
        yield f"dla_core = {core}, and {source.target.name} has {accelerator.dla_cores} DLA cores: leave dla_core out"
    if core is not None and model.precision == "float32":
        yield 'a DLA computes in float16 or int8: write precision = "float16"'


@dataclass(frozen=True, kw_only=True)
class TensorrtCompilation(DeviceCompilation):
    """A plan that TensorRT makes on a builder device."""

    def prove(self) -> None:
        """Compare a model with int8 ranges with the float model here, before a device is asked."""
        source = self.source
        if source.model.precision == "int8":
            verified = verify_answers(source, answers_of_bytes(self.model, source.pictures.tensors, source.path))
            check_agreement(source.name, verified.agreement, source.model.tolerance, cure_for(source, "int8"))

    def check(self, compiled: CompiledEngine) -> Mapping[str, str]:
        """Read the plan's own header and code, and compare them with what its maker was."""
        return check_plan(compiled, self.source.target)


def _compilation(
    source: ModelSource, accelerator: Accelerator, proto: onnx.ModelProto, bench: EngineBench
) -> Compilation:
    own_ranges = bool(quantised_at(proto))
    model, facts = _model_to_send(source, accelerator, bench, own_ranges=own_ranges)
    request = _request(source, own_ranges=own_ranges)
    return TensorrtCompilation(
        source=source,
        kind="tensorrt",
        key=engine_key(source, accelerator, request, format=_FORMAT, model=model),
        precision=request.precision,
        suffix=".plan",
        bench=bench,
        accelerator=accelerator,
        request=request,
        model=model,
        facts=facts,
    )


def _model_to_send(
    source: ModelSource, accelerator: Accelerator, bench: EngineBench, *, own_ranges: bool
) -> tuple[bytes, dict[str, str]]:
    """The ONNX file in the form that gives the wanted precision, and facts for the manifest."""
    precision, pictures = source.model.precision, source.pictures
    if precision == "int8":
        ranges = f"{len(pictures.calibration)} pictures, sha256 {digest_of(pictures.ranges)}"
        return quantise_checked(source, "tensorrt", bench).model, {"calibration": ranges}
    strongly_typed = version_tuple(accelerator.runtime_version) >= _STRONGLY_TYPED
    if precision == "float16" and not own_ranges and strongly_typed:
        return to_half(source.path), {}
    return source.path.read_bytes(), {}


def _request(source: ModelSource, *, own_ranges: bool) -> BuildRequest:
    recipe, bounds = source.model, bounds_for(source.target)
    return BuildRequest(
        kind="tensorrt",
        model="model.onnx",
        engine="engine.plan",
        precision="int8" if own_ranges else recipe.precision,
        workspace_bytes=bounds.workspace_bytes,
        tactic_bytes=bounds.tactic_bytes,
        timing_iterations=2,
        timing_cache="timing.cache",
        dla_core=-1 if recipe.dla_core is None else recipe.dla_core,
        shapes={tensor.name: recipe.contract.tensor_shape for tensor in source.onnx.inputs},
    )


def check_plan(compiled: CompiledEngine, target: Target) -> Mapping[str, str]:
    """Read a plan that a device sent: is it what that device says, and what the target takes?

    Returns:
        Facts for the manifest: its format. What a device must have to load it was measured where it was made.

    Raises:
        EngineError: it is no engine, of another TensorRT, or for another GPU.
    """
    accelerator, made = accelerator_of(target), compiled.facts
    found = parse_plan(BytesIO(compiled.engine))
    if isinstance(found, PlanFault):
        raise EngineError(f"what the builder sent is no TensorRT engine: {found.reason}", hint="report this")
    version = ".".join(map(str, found.version[:3]))
    for wanted, whose in ((accelerator.runtime_version, target.name), (made.get("tensorrt", ""), "the builder")):
        if found.rtx or not same_version(version, wanted):
            raise EngineError(
                f"the builder's engine is of {found.toolkit}, and {whose} has TensorRT {leading_version(wanted)}",
                hint="pip list on the builder shows whether another TensorRT hides the board's own",
            )
    code = find_gpu_code(compiled.engine)
    if made.get("sm", "") != accelerator.sm or not runs_on(code, accelerator.sm):
        has = ", ".join(map(str, code)) if made.get("sm", "") == accelerator.sm else made.get("sm", "") or "no number"
        raise EngineError(
            f"the builder's engine is for SM {has}, and {target.name} has SM {accelerator.sm}",
            hint="build with a board of the target: --builder root@HOST",
        )
    return {"format": "tensorrt plan"}
