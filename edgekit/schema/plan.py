"""A recipe planned for one target: `plan.json` in a release. Defaults filled in, CPU numbers chosen, nothing left open.

All paths are relative to the release's folder. Keeper and worker read this file and never recipe.toml.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any

from edgekit.schema.accelerators import GPU, AcceleratorUse, BusyPercent
from edgekit.schema.bounds import Between
from edgekit.schema.message import MUST_UNDERSTAND, Message
from edgekit.schema.pressure import Pressure
from edgekit.schema.recipe import ColourContract, DropPolicy, Golden, Health, Network
from edgekit.schema.serve import Serve
from edgekit.schema.settings import Setting, SettingPlace
from edgekit.schema.sink import RecipeSink
from edgekit.schema.source import RecipeSource
from edgekit.schema.target import AcceleratorKind

PICTURE_KERNEL = "edgekit_picture"
"""The kernel in `EnginePlan.picture_kernel`: its name in picture.cu."""
NPU_CORES = 3
"""Of RK3588, the one SoC whose NPU edgekit serves."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EnginePlan:
    """One compiled model and the runner that takes it."""

    runner: AcceleratorKind
    path: str
    input: ColourContract | None
    """None: it takes no picture."""
    picture: str = ""
    """Name of the input that takes the picture which `input` describes; empty where the engine has one input."""
    plain: tuple[str, ...] = field(default=(), metadata=MUST_UNDERSTAND)
    """Inputs that are plain tensors: a source or stage of the recipe's own gives them."""
    feeds: dict[str, str] = field(default_factory=dict, metadata=MUST_UNDERSTAND)
    """Inputs that take an output's last answer of the same stream, with that output."""
    picture_kernel: str = ""
    """The GPU program that converts frames to that input; empty: the CPU does."""
    threads: int
    cpus: tuple[int, ...] = ()
    """CPUs of the lanes that run it, for its further threads; none: wherever the process may run."""
    dla_core: int = field(default=-1, metadata=MUST_UNDERSTAND)
    """Jetson: the DLA core that it was compiled for; -1 is the GPU."""
    npu_cores: tuple[int, ...] = ()
    """Rockchip: the NPU's cores that it computes on; none: all."""
    tail: str = field(default="", metadata=MUST_UNDERSTAND)
    """ONNX file that the CPU runs on the engine's outputs; its own are the model's. Empty: none."""
    gathers: bool = False
    """Its stages give it one picture at a time, and it runs those of several threads together, up to `input.batch`."""
    priority: Annotated[int, Between(0, 100)] = 0
    """Among the application's engines on the same accelerator."""
    weight: Annotated[float, Between(0.01, 100)] = 1.0
    """Its share of it, among those of the same priority."""

    @property
    def contract(self) -> ColourContract:
        """`input`, of an engine that is known to take a picture."""
        assert self.input is not None, "it takes a picture"
        return self.input

    @property
    def accelerators(self) -> tuple[str, ...]:
        """Where it computes, beside the CPU."""
        if self.runner == "rknn":
            return tuple(f"NPU core {core}" for core in self.npu_cores or range(NPU_CORES))
        if self.runner == "tensorrt":
            return (f"DLA core {self.dla_core}",) if self.dla_core >= 0 else (GPU,)
        return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LanePlan:
    """OS threads: their CPUs by number, and the queue of each stream in front of them."""

    cpus: tuple[int, ...]
    threads: int = 1
    realtime: bool = False
    """Its threads run before all that are not."""
    queue: int
    drop: DropPolicy


@dataclass(frozen=True, slots=True, kw_only=True)
class StagePlan:
    """One step. `engine` is empty where it needs none; `entry` where it is built in."""

    name: str
    kind: str
    lane: str
    engine: str
    entry: str
    options: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureCosts:
    """What frames of one size cost on the board that the release was profiled on."""

    width_px: int
    height_px: int
    lanes_ms: dict[str, Annotated[float, Between(0, 3_600_000)]]
    """By lane: of each of its steps what 95 of 100 frames do not exceed, added up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitsPlan:
    """Values for the cgroup leaf, as the kernel takes them."""

    memory_max: int
    memory_high: int
    """0 is no limit ("max")."""
    cpuset_cpus: tuple[int, ...]
    pids_max: int
    advisory: bool
    cpu_weight: int = field(default=0, metadata=MUST_UNDERSTAND)
    """0 is the kernel's usual one."""
    cpu_max: float = field(default=0.0, metadata=MUST_UNDERSTAND)
    """CPUs' time; 0 is no limit."""
    isolate: bool = field(default=False, metadata=MUST_UNDERSTAND)
    """Nobody else runs on `cpuset_cpus` while it runs."""
    pictures_max: int = 32 << 20
    """What pictures that outlive their frames may take together; it is part of `memory_max`."""
    work_max: int = 1 << 30
    """What the worker's folder may take on disk."""
    network: Network = field(default="yes", metadata=MUST_UNDERSTAND)
    devices: tuple[str, ...] = ()
    """Device nodes that it may open beside those of its runner and sources."""
    share_accelerators: bool = False
    """Whether other applications that agree too may use its NPU and DLA cores."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerPlan(Message):
    """Everything that keeper and worker need to run one application."""

    application: str
    version: str
    target: str
    python_path: str
    """The device's interpreter that runs the worker."""
    site: str
    """Folder with the Python packages, edgekit's worker among them."""
    app: str
    """Folder with the recipe's own Python code, or empty."""
    engines: dict[str, EnginePlan]
    sources: dict[str, RecipeSource]
    stages: tuple[StagePlan, ...]
    sinks: dict[str, RecipeSink]
    lanes: dict[str, LanePlan]
    limits: LimitsPlan
    health: Health
    golden: Golden | None
    settings: dict[str, Setting] = field(default_factory=dict, metadata=MUST_UNDERSTAND)
    """What a board gives values for, by name: see `edgekit.schema.filling`."""
    places: tuple[SettingPlace, ...] = field(default=(), metadata=MUST_UNDERSTAND)
    """Where the values go; until then defaults or examples stand there."""
    serve: Serve | None = None
    """How models are reached from outside; None: they are not."""
    served: dict[str, str] = field(default_factory=dict)
    """Models that are served, each with the lane that runs it for its clients."""
    pressure: Pressure = Pressure()
    """What is given up when memory is tight; its order is filled in."""
    busy_percent: BusyPercent = field(default_factory=dict)
    """Of each accelerator's time, what it takes by its profile."""
    costs: tuple[PictureCosts, ...] = ()
    """What the scheduler takes work to cost until it has seen some; none: it knows nothing then."""
    warnings: tuple[str, ...] = ()

    @property
    def accelerators(self) -> AcceleratorUse:
        """What it takes of the board's."""
        used = sorted({name for engine in self.engines.values() for name in engine.accelerators})
        return AcceleratorUse(used=tuple(used), shared=self.limits.share_accelerators, busy_percent=self.busy_percent)
