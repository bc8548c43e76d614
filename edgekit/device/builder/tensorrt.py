"""Compiles an ONNX file into a TensorRT plan, with the same code for TensorRT 8.6 to 11.

Only calls that all of them have; what some lack is asked for by name. Source: the recorded API of each version, which
`tests/unit/device/runner/test_tensorrt_api.py` holds this file against.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgekit.device.builder import Note
from edgekit.device.builder.accounting import MemoryAccount
from edgekit.device.runner.cuda import open_gpu
from edgekit.device.runner.nvinfer import Nvinfer, open_nvinfer
from edgekit.errors import EngineError
from edgekit.schema.building import BuildAnswer, BuildRequest

_WORDS = (
    ("Plugin not found", "TensorRT has no such operator"),
    ("was not found in plugin registry", "TensorRT has no such operator"),
    ("Node input was not registered", "it takes an input that nothing makes"),
    ("Failed to parse the ONNX model", "it is no ONNX model, or cut short"),
    ("null tensor", "an output that nothing makes"),
    ("convertDtype", "an input of a type that TensorRT does not take"),
)
"""What its parser means. Source: measured on broken models, TensorRT-RTX 1.7.1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BuiltPlan:
    """The outcome, beside the files."""

    warnings: tuple[str, ...]
    cache_used: bool


def build(request: BuildRequest, folder: Path, note: Note) -> BuildAnswer:
    """Compile a model on this device's GPU.

    Raises:
        EngineError: no usable GPU, or TensorRT refuses the model.
    """
    gpu, nvinfer = open_gpu(), open_nvinfer()
    account = MemoryAccount(gpu)
    with gpu.current():
        built = build_plan(request, folder, nvinfer, note, account)
    return BuildAnswer(
        toolkit=nvinfer.version,
        sm=gpu.capability,
        sm_count=gpu.sm_count,
        gpu_peak_bytes=account.peak_bytes,
        warnings=built.warnings,
        cache_used=built.cache_used,
    )


def build_plan(
    request: BuildRequest, folder: Path, nvinfer: Nvinfer, note: Note, account: MemoryAccount | None = None
) -> BuiltPlan:
    """Compile a model; the plan and the timing cache are left in the folder.

    Args:
        request: what, with names in the folder.
        folder: holds the model.
        nvinfer: TensorRT of this process.
        note: called with a text at each phase.
        account: counts TensorRT's device memory and refuses what is beyond a bound.

    Raises:
        EngineError: TensorRT refuses it, with its words.
    """
    nvinfer.cut()
    builder = make_builder(nvinfer, account)
    network = nvinfer.check(builder.create_network(network_flags(nvinfer.trt)), "making a network")
    parser = parse(nvinfer, network, folder / request.model)
    config = nvinfer.check(builder.create_builder_config(), "making a configuration")
    bound_memory(nvinfer.trt, config, request)
    config.avg_timing_iterations = request.timing_iterations
    if hasattr(config, "builder_optimization_level"):
        config.builder_optimization_level = request.optimization_level
    allow_precision(nvinfer.trt, config, request)
    use_dla(nvinfer, builder, config, request.dla_core)
    add_profile(nvinfer, builder, config, network, request)
    cache, cache_used = read_timing_cache(nvinfer, config, folder, request)
    watch(nvinfer.trt, config, note)
    plan = nvinfer.check(builder.build_serialized_network(network, config), f"building {request.model}")
    (folder / request.engine).write_bytes(memoryview(plan))
    if cache is not None:
        timings = nvinfer.check(config.get_timing_cache(), "reading the timing cache")
        (folder / request.timing_cache).write_bytes(memoryview(timings.serialize()))
    del parser  # the network reads weights that it holds, to the end
    return BuiltPlan(warnings=_warnings(nvinfer.cut()), cache_used=cache_used)


def make_builder(nvinfer: Nvinfer, account: MemoryAccount | None) -> Any:
    """A builder, with our allocator where memory is counted."""
    try:
        builder = nvinfer.trt.Builder(nvinfer.logger)
    except TypeError:  # "factory function returned nullptr": no usable library or GPU
        raise nvinfer.error("starting its builder") from None
    if account is not None:
        builder.gpu_allocator = account.allocator(nvinfer.trt)
    return builder


def network_flags(trt: Any) -> int:
    """TensorRT 8.x takes ONNX only with the flag for explicit batches; later versions have no such flag."""
    flags = trt.NetworkDefinitionCreationFlag
    return 1 << int(flags.EXPLICIT_BATCH) if hasattr(flags, "EXPLICIT_BATCH") else 0


def parse(nvinfer: Nvinfer, network: Any, model: Path) -> Any:
    """Read the model into the network; weights are held once, by the parser that is returned."""
    parser = nvinfer.trt.OnnxParser(network, nvinfer.logger)
    if not parser.parse_from_file(str(model)):
        problems = [_describe_problem(parser.get_error(index)) for index in range(parser.num_errors)]
        raise nvinfer.error(f"reading {model.name}", "; ".join(problems))
    if not network.num_outputs:
        raise EngineError(f"TensorRT finds no output in {model.name}", hint="export the model again")
    return parser


def _describe_problem(problem: Any) -> str:
    """`node conv3 (Conv): ...`; versions before 10 know the node's number only."""
    name = problem.node_name() if hasattr(problem, "node_name") else ""
    kind = problem.node_operator() if hasattr(problem, "node_operator") else ""
    number = problem.node()
    where = name or (f"number {number}" if number >= 0 else "")
    text = " ".join(problem.desc().split()) or str(problem.code())
    reason = next((f"{words} ({text})" for part, words in _WORDS if part in text), text)
    return f"node {where}{f' ({kind})' if kind else ''}: {reason}" if where else reason


def bound_memory(trt: Any, config: Any, request: BuildRequest) -> None:
    """Bound both pools: with the workspace bounded alone, a small board still runs out of memory."""
    pools = trt.MemoryPoolType
    if request.workspace_bytes:
        config.set_memory_pool_limit(pools.WORKSPACE, request.workspace_bytes)
    if request.tactic_bytes and hasattr(pools, "TACTIC_DRAM"):
        config.set_memory_pool_limit(pools.TACTIC_DRAM, request.tactic_bytes)


def allow_precision(trt: Any, config: Any, request: BuildRequest) -> None:
    """Allow the precisions of the request. TensorRT 11 takes them from the model alone, and has no such flags."""
    flags = trt.BuilderFlag
    if request.precision == "float32":
        return
    if hasattr(flags, "FP16"):
        config.set_flag(flags.FP16)
    if request.precision == "int8" and hasattr(flags, "INT8"):
        config.set_flag(flags.INT8)


def use_dla(nvinfer: Nvinfer, builder: Any, config: Any, core: int) -> None:
    """Prefer a DLA core; layers that it cannot take go to the GPU. What was set is read back: some drop it silently."""
    if core < 0:
        return
    cores = builder.num_DLA_cores
    if core >= cores:
        raise EngineError(
            f"DLA core {core} is asked for, and this board has {cores}",
            hint="leave dla_core out, or build for a board that has DLA cores: Orin NX or AGX Orin",
        )
    config.default_device_type = nvinfer.trt.DeviceType.DLA
    config.DLA_core = core
    config.set_flag(nvinfer.trt.BuilderFlag.GPU_FALLBACK)
    if config.DLA_core != core:
        raise nvinfer.error(f"choosing DLA core {core}")


def add_profile(nvinfer: Nvinfer, builder: Any, config: Any, network: Any, request: BuildRequest) -> None:
    """Fix sizes that the model leaves open, to one shape each: a wide profile costs memory."""
    profile, added = builder.create_optimization_profile(), False
    for index in range(network.num_inputs):
        tensor = network.get_input(index)
        if all(size >= 0 for size in tensor.shape):
            continue
        shape = request.shapes.get(tensor.name)
        if shape is None:
            message = f"input {tensor.name} has open sizes: {tuple(tensor.shape)}"
            raise EngineError(message, hint="export the model with fixed sizes")
        profile.set_shape(tensor.name, shape, shape, shape)
        added = True
    if added:
        nvinfer.check(config.add_optimization_profile(profile), "fixing the input's sizes")


def read_timing_cache(nvinfer: Nvinfer, config: Any, folder: Path, request: BuildRequest) -> tuple[Any, bool]:
    """Give the builder what was timed before on such a board.

    Returns:
        The cache, which must live until the build ends; None where none is wanted. And whether the stored one fitted:
        what another board or version has timed is left out, for it can only mislead.
    """
    if not request.timing_cache:
        return None, False
    file = folder / request.timing_cache
    stored = file.read_bytes() if file.is_file() else b""
    cache = config.create_timing_cache(stored) if stored else None
    if cache is not None and config.set_timing_cache(cache, False):
        return cache, True
    cache = nvinfer.check(config.create_timing_cache(b""), "making a timing cache")
    nvinfer.check(config.set_timing_cache(cache, False), "taking a timing cache")
    return cache, False


def watch(trt: Any, config: Any, note: Note) -> None:
    """Have TensorRT report its phases, where it can."""
    if not (hasattr(trt, "IProgressMonitor") and hasattr(config, "progress_monitor")):
        return

    class Monitor(trt.IProgressMonitor):  # type: ignore[misc]  # the module has no types
        """Reports the outer phases; the inner ones come by thousands."""

        def __init__(self) -> None:
            trt.IProgressMonitor.__init__(self)
            self.steps: dict[str, int] = {}

        def phase_start(self, phase_name: str, parent_phase: str | None, num_steps: int) -> None:
            """A phase begins."""
            if not parent_phase:
                self.steps[phase_name] = num_steps

        def step_complete(self, phase_name: str, step: int) -> bool:
            """A step is done; True goes on."""
            if phase_name in self.steps:
                note(f"{phase_name}, step {step + 1} of {self.steps[phase_name]}")
            return True

        def phase_finish(self, phase_name: str) -> None:
            """A phase ends."""
            self.steps.pop(phase_name, None)

    config.progress_monitor = Monitor()


def _warnings(lines: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(line.removeprefix("warning: ") for line in lines if line.startswith("warning: ")))
