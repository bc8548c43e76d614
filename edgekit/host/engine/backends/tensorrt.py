"""Engines for the GPU of Jetson Orin: compiled on such a board, for TensorRT times its kernels where it runs.

No machine can stand in for it: the builder has no switch for another GPU, and x86-64 libraries hold no code for SM 87.
Source: NVIDIA's support matrix; the binaries. So this module prepares the model, and `builder/` has it compiled.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from io import BytesIO

import onnx

from edgekit.errors import EngineError
from edgekit.host.engine.backends.onnxruntime import quantise_checked
from edgekit.host.engine.bench import EngineBench
from edgekit.host.engine.builder.engines import EngineOrder, key_of, kind_of_device, obtain
from edgekit.host.engine.builder.fit import bounds_for, version_of
from edgekit.host.engine.builder.job import DeviceJob
from edgekit.host.engine.engine import Engine
from edgekit.host.engine.files.plan_file import PlanFault, parse_plan
from edgekit.host.engine.model.contract import expected_shape
from edgekit.host.engine.model.faults import DYNAMIC, node_name, refuse
from edgekit.host.engine.model.half import to_half
from edgekit.host.engine.model.prepare.quantised import quantised_at, unfit_pair
from edgekit.host.engine.model.reference import answers_of_bytes
from edgekit.host.engine.source import ModelSource
from edgekit.host.engine.verify.cure import cure_for
from edgekit.host.engine.verify.pictures import digest_of
from edgekit.host.engine.verify.verdict import check_agreement
from edgekit.host.engine.verify.verification import hold_against
from edgekit.schema.building import BuildRequest
from edgekit.schema.target import Accelerator, Target
from edgekit.schema.units import version_tuple

_FORMAT = 2
"""Of the key; raise it when engines are made in another way."""
_STRONGLY_TYPED = (11,)
"""From here on precisions come from the model alone. Source: the recorded API."""
_FOREIGN = "export the model with operators of ONNX alone"


def compile_model(source: ModelSource, bench: EngineBench) -> Engine:
    """Have a builder device compile a model, or take it from the cache.

    Raises:
        EngineError: no builder device, or it cannot be compiled or does not agree with the float model.
        LockHeld: every builder device is taken.
        Unreachable: the link to it broke.
    """
    accelerator = accelerator_of(source.target)
    proto = onnx.load(source.path)
    refuse(source.file, refusals(proto, source, accelerator))
    return obtain(_order(source, accelerator, proto, bench), bench)


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


def _order(source: ModelSource, accelerator: Accelerator, proto: onnx.ModelProto, bench: EngineBench) -> EngineOrder:
    recipe, contract, bounds = source.model, source.model.input, bounds_for(source.target)
    pictures, model, told = source.pictures, source.path.read_bytes(), ""
    own_ranges = bool(quantised_at(proto))
    if recipe.precision == "int8":
        model = quantise_checked(source, "tensorrt", bench).model
        told = f"{len(pictures.calibration)} pictures, sha256 {digest_of(pictures.ranges)}"
    elif (
        recipe.precision == "float16"
        and not own_ranges
        and version_tuple(accelerator.runtime_version) >= _STRONGLY_TYPED
    ):
        model = to_half(source.path)
    request = BuildRequest(
        kind="tensorrt",
        model="model.onnx",
        engine="engine.plan",
        precision="int8" if own_ranges else recipe.precision,
        workspace_bytes=bounds.workspace_bytes,
        tactic_bytes=bounds.tactic_bytes,
        timing_iterations=2,
        timing_cache="timing.cache",
        dla_core=-1 if recipe.dla_core is None else recipe.dla_core,
        shapes={tensor.name: expected_shape(contract) for tensor in source.onnx.inputs},
    )
    frames, tail = pictures.tensors, source.tail.sha256 if source.tail else ""
    made_of = (source.onnx.sha256, tail, model, contract, request, digest_of(frames))
    key = key_of(source.target, accelerator, _FORMAT, *made_of)
    job = DeviceJob(
        name=source.name,
        key=key,
        target=source.target,
        accelerator=accelerator,
        request=request,
        model=model,
        calibration=told,
        timing_cache=bench.store.timings(kind_of_device(source.target, accelerator)),
        input=contract,
        frames=frames,
    )
    prove = (lambda: prove_int8(source, model)) if recipe.precision == "int8" else lambda: None
    return EngineOrder(
        source=source, job=job, suffix=".plan", check=lambda plan: check_plan(plan, source.target), prove=prove
    )


def prove_int8(source: ModelSource, quantised: bytes) -> None:
    """Hold the model with its ranges against the float model, here, before a device is asked. Raises EngineError."""
    found = answers_of_bytes(quantised, source.pictures.tensors, source.path)
    verified = hold_against(source.path, source.tail, source.pictures, found)
    check_agreement(source.name, verified.agreement, source.model.tolerance, cure_for(source, "int8"))


def check_plan(plan: bytes, target: Target) -> Mapping[str, str]:
    """Read what a device sent as an engine.

    Returns:
        Facts for the manifest: what a device must have to load it.

    Raises:
        EngineError: it is no engine, or another TensorRT's.
    """
    accelerator = accelerator_of(target)
    found = parse_plan(BytesIO(plan))
    if isinstance(found, PlanFault):
        raise EngineError(f"what the builder sent is no TensorRT engine: {found.reason}", hint="report this")
    wanted = version_of(accelerator.runtime_version)
    if found.rtx or not re.match(rf"{re.escape('.'.join(map(str, found.version[:3])))}(\.|$)", wanted):
        raise EngineError(
            f"the builder's engine is of {found.toolkit}, and {target.name} has TensorRT {wanted}",
            hint="pip list on the builder shows whether another TensorRT hides the board's own",
        )
    return {
        "format": "tensorrt plan",
        "tensorrt": wanted,
        "sm": accelerator.sm,
        "sm_count": str(accelerator.sm_count),
        "cuda": accelerator.cuda,
        "power_mode": accelerator.power_mode,
        "power_conf": accelerator.power_conf,
    }
