"""What a builder device is asked to compile, and what it answers: files beside the model in one folder there.

Two programs of `edgekit.device.builder` read them: `build` takes a `BuildRequest` and leaves an engine, `try` takes a
`TrialRequest` and leaves what the engine answers, run by the same runner that will run it for good. Paths are names
in that folder.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal

from edgekit.schema.bounds import Between, Length
from edgekit.schema.message import Message
from edgekit.schema.recipe import ColourContract
from edgekit.schema.target import AcceleratorKind, Capability, Cores

Amount = Annotated[int, Between(0, 1 << 50)]
"""Bytes of memory, as far as any board has."""
Spent = Annotated[float, Between(0, 10**9)]
"""A time that was measured."""


def request_file(verb: str) -> str:
    """Where a request lies: `build.json`."""
    return f"{verb}.json"


def answer_file(verb: str) -> str:
    """Where its answer is left: `build-answer.json`."""
    return f"{verb}-answer.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildRequest(Message):
    """One engine to compile."""

    kind: AcceleratorKind
    model: str
    """ONNX file. Ranges of int8 are in it, as Q/DQ nodes."""
    engine: str
    """File to write."""
    precision: Literal["float32", "float16", "int8"] = "float32"
    workspace_bytes: int = 0
    """Scratch memory of one layer; 0 leaves TensorRT's default: all there is."""
    tactic_bytes: int = 0
    """Memory for trying tactics, where this TensorRT can bound it; 0 leaves its default: three quarters of all."""
    optimization_level: int = 3
    timing_iterations: int = 1
    """How often each tactic is timed."""
    timing_cache: str = ""
    """File to read, if it is there, and to write; empty: none."""
    dla_core: int = -1
    """Core that layers go to which it can take; -1 for the GPU alone."""
    shapes: dict[str, tuple[int, ...]] = field(default_factory=dict)
    """Sizes of inputs that the model leaves open."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BuilderFailure:
    """An error of the other side: the fields of an EdgekitError."""

    message: str
    hint: str
    details: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildAnswer(Message):
    """How compiling went. The engine lies where the request wanted it."""

    failure: BuilderFailure | None = None
    engine_sha256: str = ""
    """Of the engine: it may lie there for days until a workstation fetches it."""
    timing_cache_sha256: str = ""
    """Of what was timed; empty where nothing was."""
    toolkit: str = ""
    """The compiler's own version: `10.3.0`."""
    sm: Capability = ""
    sm_count: Cores = 0
    """Of the GPU that it compiled on, as its driver says."""
    power_status: str = ""
    """What nvpmodel had set, all the time; empty where there is no nvpmodel."""
    seconds: Spent = 0.0
    peak_bytes: Amount = 0
    """Resident memory of the program at its highest."""
    gpu_peak_bytes: Amount = 0
    """Memory that TensorRT took through our allocator at its highest; 0 where it was not counted."""
    warnings: Annotated[tuple[str, ...], Length(0, 1000)] = ()
    cache_used: bool = False
    """Whether the timing cache that was sent fitted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialRequest(Message):
    """An engine to run on frames."""

    kind: AcceleratorKind
    engine: str
    input: ColourContract
    frames: str
    """`.npy` file, [frames, ...]: the model's inputs."""
    dla_core: int = -1
    answers: str
    """`.npz` file to write, `output:NAME` each: [frames, ...]."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialAnswer(Message):
    """How running went."""

    failure: BuilderFailure | None = None
    power_status: str = ""
    """As in `BuildAnswer`."""
    median_ms: Spent = 0.0
    """Of one frame, the first left out. For orientation: nothing is promised from one run."""
    memory_bytes: Amount = 0
    """What the engine takes on the device to run, where it says so."""
