"""What an application is: `recipes/<name>/recipe.toml`, as written."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal

from edgekit.schema.bounds import Between, Length, Matches
from edgekit.schema.names import ApplicationName, FileName, InnerPath, OneLine, SemanticVersion, TableName
from edgekit.schema.pressure import Pressure
from edgekit.schema.serve import Serve
from edgekit.schema.settings import Setting
from edgekit.schema.sink import RecipeSink
from edgekit.schema.source import RecipeSource
from edgekit.schema.stages import RecipeStage
from edgekit.schema.units import Bytes, CpuList, Cpus, SmallestUnit

Network = Literal["yes", "none"]
"""Whether an application may speak with other machines."""
DevicePath = Annotated[str, Matches("/dev/[A-Za-z0-9._/:-]{1,200}", 'a device such as "/dev/ttyUSB0"')]
DropPolicy = Literal["block", "drop_oldest", "drop_newest"]
ChannelOrder = Literal["RGB", "BGR", "GRAY"]
Layout = Literal["NCHW", "NHWC"]
Side = Annotated[int, Between(1, 8192)]
Axis = Annotated[int, Between(1, 100_000_000)]
Factor = Annotated[float, Between(-1_000_000, 1_000_000)]
Factors = Annotated[tuple[Factor, ...], Length(1, 3, "one for each channel")]
Brightness = Annotated[int, Between(0, 255)]
MemorySize = Annotated[Bytes, SmallestUnit("M")]
Seconds = Annotated[float, Between(above=0, maximum=86_400)]


@dataclass(frozen=True, slots=True, kw_only=True)
class QuantisedInput:
    """How an input of whole numbers stands for real ones: real = (number - zero_point) * scale."""

    scale: Annotated[float, Between(above=0, maximum=1_000_000)]
    zero_point: Annotated[int, Between(-128, 255)] = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ColourContract:
    """What a model's input tensor holds. Nothing of it is guessed."""

    width_px: Side
    height_px: Side
    order: ChannelOrder
    layout: Layout = "NCHW"
    dtype: Literal["float32", "uint8", "int8"] = "float32"
    scale: Factor | Factors = 1.0
    """real = (pixel - mean) * scale, with pixel 0..255, full range; one number, or one for each channel."""
    mean: Factor | Factors = 0.0
    """As `scale`: one number, or one for each channel in `order`."""
    quantised: QuantisedInput | None = None
    """Of int8 or uint8: the tensor holds round(real / scale) + zero_point. Without it uint8 is the pixels."""
    fit: Literal["stretch", "letterbox", "crop"] = "stretch"
    """`letterbox`: the whole picture in its shape, bars beside it; `crop`: its middle in the input's shape."""
    align: Literal["centre", "top_left"] = "centre"
    """Where a letterboxed picture lies between its bars, or what a crop keeps."""
    bars: Brightness | Annotated[tuple[Brightness, ...], Length(3, 3, "R, G, B")] = 0
    """Colour of a letterbox's bars, 0..255, before mean and scale: one number, or R, G, B whatever `order` is."""
    batch: Annotated[int, Between(1, 64)] = 1
    """How many pictures the engine takes at once: of one frame in `crops`, else of the streams whose frames are there.
    RK3588's NPU takes one at a time all the same."""
    sampling: Literal["linear", "area", "any"] = "linear"
    """How a picture gets smaller, as it did in training: `linear` as OpenCV and most detectors do it, `area` averages
    all pixels, as resizing with antialiasing does. `any` lets hardware of the board scale in its own way, RK3588's RGA,
    and is `linear` elsewhere; the build looks whether the model bears that."""

    @property
    def channels(self) -> int:
        """Of the tensor."""
        return 1 if self.order == "GRAY" else 3

    @property
    def tensor_shape(self) -> tuple[int, int, int, int]:
        """Of the input tensor."""
        if self.layout == "NCHW":
            return (self.batch, self.channels, self.height_px, self.width_px)
        return (self.batch, self.height_px, self.width_px, self.channels)

    @property
    def scales(self) -> tuple[float, ...]:
        """One for each channel."""
        return _each(self.scale, self.channels)

    @property
    def means(self) -> tuple[float, ...]:
        """One for each channel."""
        return _each(self.mean, self.channels)

    @property
    def gains(self) -> tuple[float, ...]:
        """Of each channel: tensor = pixel * gain + offset, rounded where it holds whole numbers."""
        step = self.quantised.scale if self.quantised else 1.0
        return tuple(scale / step for scale in self.scales)

    @property
    def offsets(self) -> tuple[float, ...]:
        """Of each channel; see `gains`."""
        zero = self.quantised.zero_point if self.quantised else 0
        return tuple(zero - mean * gain for mean, gain in zip(self.means, self.gains, strict=True))

    @property
    def bar_colour(self) -> tuple[int, int, int]:
        """Of a letterbox: R, G, B."""
        red, green, blue = self.bars if isinstance(self.bars, tuple) else (self.bars,) * 3
        return red, green, blue


def _each(numbers: float | tuple[float, ...], channels: int) -> tuple[float, ...]:
    given = numbers if isinstance(numbers, tuple) else (numbers,)
    return given * channels if len(given) == 1 else given


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherInput:
    """What a model's further input takes: the picture in another form, a constant, or what the recipe's code gives."""

    picture: ColourContract | None = None
    """The same frame, of the same size; order, layout, type, mean and scale are this input's own."""
    value: Factor | Annotated[tuple[Factor, ...], Length(1, 1_000_000)] | None = None
    """Numbers in the input's order; one number fills it."""
    shape: Annotated[tuple[Axis, ...], Length(0, 8)] | None = None
    """Every size of a plain tensor, the batch among them: a source or stage of the recipe's own gives it. Its type is
    the model's."""
    fed_by: OneLine | None = None
    """The output that it takes the last answer of, as the state of a model that goes on from frame to frame does;
    zeros at first, and wherever a stream begins anew. With `shape`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantisation:
    """How a model of `precision = "int8"` gets its ranges from the calibration images."""

    method: Literal["normal", "kl_divergence", "mmse"] = "normal"
    """`kl_divergence` cuts off outliers; `mmse` searches for the least error and takes long."""
    per_channel: bool = True
    """A range for each channel of the weights instead of one for a layer."""
    keep_float: tuple[OneLine, ...] = ()
    """Tensors of the ONNX model that stay float16, with everything that is computed from them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tolerance:
    """How far an engine may be from the float model on golden and calibration pictures; beyond it the build fails."""

    cosine: Annotated[float, Between(-1, 1)] = 0.99
    """Least cosine of any output on any frame."""
    max_abs: Annotated[float, Between(0, 1_000_000_000)] | None = None
    """Largest difference of any element."""
    score: Annotated[float, Between(0, 1)] = 0.1
    """How far a detection's score may be off: one that lies nearer to its stage's threshold may come and go; every
    other that only the engine or only the float model has ends the build."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """One neural network of the application."""

    onnx: InnerPath
    """Path of the ONNX file, relative to the recipe's folder."""
    precision: Literal["float32", "float16", "int8"] = "float32"
    cpu_precision: Literal["float32", "int8"] = "float32"
    """On boards whose CPU runs the model; `precision` is for those with an accelerator."""
    calibration: tuple[InnerPath, ...] = ()
    """Glob patterns of calibration images, relative to the recipe's folder."""
    quantisation: Quantisation = Quantisation()
    split: tuple[OneLine, ...] | Literal["auto"] = ()
    """Tensors at which the model is cut: the accelerator, or int8, takes what lies before them, and the CPU computes
    the rest in float. `auto` finds where ranges that one int8 scale cannot hold come together, as boxes and scores."""
    tolerance: Tolerance = Tolerance()
    input: ColourContract | None = None
    """What the model's picture is; of several inputs the one that `other_inputs` does not name. Left out: the model
    takes no picture, `other_inputs` describes all, and the CPU runs it on every board."""
    other_inputs: dict[OneLine, OtherInput] = field(default_factory=dict)
    """Further inputs by their names in the ONNX file."""
    threads: Annotated[int, Between(1, 64)] = 1
    serve: bool = False
    """Whether programs outside may have it run: see `[serve]`."""
    dla_core: Annotated[int, Between(0, 7)] | None = None
    """Jetson: the DLA core that runs what it can of the model, the GPU takes the rest; unset: the GPU alone."""
    priority: Annotated[int, Between(0, 100)] = 0
    """Whose inferences go first where several models share an accelerator: the highest. What runs goes on."""
    weight: Annotated[float, Between(0.01, 100)] = 1.0
    """Its share of that accelerator's time among models of the same priority, where there is too little."""

    @property
    def contract(self) -> ColourContract:
        """`input`, of a model that is known to take a picture."""
        assert self.input is not None, "it takes a picture"
        return self.input

    @property
    def plain_inputs(self) -> dict[str, tuple[int, ...]]:
        """Sizes of the inputs that are plain tensors, by name."""
        return {name: other.shape for name, other in self.other_inputs.items() if other.shape is not None}

    @property
    def feeds(self) -> dict[str, str]:
        """Inputs that take an output's last answer, with that output."""
        return {name: other.fed_by for name, other in self.other_inputs.items() if other.fed_by is not None}


@dataclass(frozen=True, slots=True, kw_only=True)
class RecipeLane:
    """Pinned OS threads that run stages and sinks, and one more for each source that is decoded here."""

    cpus: Cpus = Cpus(())
    """Positions in the application's CPUs (`limits.cpus`), not CPU numbers: 0 is the first of them. Empty is all."""
    threads: Annotated[int, Between(1, 16)] = 1
    """How many run its stages: as many frames are worked on at once, of one stream too, and leave in their order. More
    than one is for stages that keep nothing from frame to frame, such as `infer` on an NPU of several cores."""
    queue: Annotated[int, Between(1, 1024)] = 4
    """How many frames of each stream wait in front of this lane at most."""
    scheduling: Literal["normal", "realtime"] = "normal"
    """`realtime`: the lane's threads run before everything that is not (SCHED_FIFO): busy neighbours cost them next to
    nothing. Only for lanes that are done in milliseconds and then wait: a thread that computes for a second without
    waiting ends the worker. Not for models on the CPU."""
    drop: DropPolicy = "block"
    """What happens to a frame that finds its queue full. `block`: it waits, and what comes behind it waits too, back to
    its source. A lane of sinks alone that drops costs the others nothing, however slow it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecipePipeline:
    """Sources, then stages in order, then sinks."""

    sources: Annotated[dict[TableName, RecipeSource], Length(1, 64)]
    stages: dict[TableName, RecipeStage]
    sinks: Annotated[dict[TableName, RecipeSink], Length(1)]
    lanes: Annotated[dict[TableName, RecipeLane], Length(1)]
    pressure: Pressure = Pressure()
    """What is given up when memory is tight."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What the application may use."""

    memory_max: MemorySize
    memory_high: MemorySize | None = None
    cpus: Annotated[int, Between(1, 4096)] | CpuList = 1
    """A count: the planner takes the target's strongest CPUs, sparing CPU 0 where it can; or a CPU list, "4-6"; or
    clusters of the target, "big" or ["big0", "little"]: all of their CPUs, and "big" is big0 and big1 too."""
    cpu_weight: Annotated[int, Between(1, 10_000)] | None = None
    """Its share of CPUs that other applications want too; the kernel's usual one is 100. It costs nobody anything who
    has a CPU to himself."""
    cpu_max: Annotated[float, Between(0.01, 4096)] | None = None
    """So many CPUs' time at most, 1.5 is one and a half, also where nobody else wants them."""
    isolate: bool = False
    """Nobody else runs on its CPUs while it runs: system services and logins keep to the others. Needs systemd."""
    pids_max: Annotated[int, Between(1, 4_194_304)] = 256
    pictures_max: MemorySize | None = None
    """What pictures that stages keep with `frame.keep()` may take together. An eighth of memory_max if not given."""
    work_max: MemorySize | None = None
    """What the worker's folder may take on disk: past it the worker is ended. 1G beside what the sinks' own limits add
    up to, if not given."""
    network: Network = "yes"
    """`none`: it can make no connection, nor take one; its preview is seen through `edgekit view` all the same."""
    devices: Annotated[tuple[DevicePath, ...], Length(0, 32)] = ()
    """Device nodes that its own code opens: "/dev/ttyUSB0". Those of its runner, cameras and decoders need no name."""
    npu_cores: Annotated[tuple[Annotated[int, Between(0, 15)], ...], Length(1, 16)] | Literal["auto"] = "auto"
    """Cores of a Rockchip NPU that its models compute on; `auto`: all. One application alone has a core, or a DLA's."""
    share_accelerators: bool = False
    """Whether other applications that say this too may use its NPU and DLA cores. Priorities hold within one alone."""
    limits: Literal["enforced", "advisory"] = "enforced"
    """`advisory`: run also where cgroups cannot hold these, and say so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """When the application counts as healthy."""

    min_fps: Annotated[float, Between(0, 100_000)] = 0.0
    max_p99_ms: Annotated[float, Between(above=0, maximum=86_400_000)] | None = None
    """From frame capture to sink."""
    max_error_ratio: Annotated[float, Between(0, 1)] = 0.0
    settle_s: Seconds = 20.0
    """How long a new release has to be healthy without a break before it is committed."""
    start_s: Seconds = 60.0
    """How long it may take from start to the first frame."""
    stall_s: Seconds = 15.0
    """A worker that reports nothing for so long, or brings no frame to a sink, hangs."""
    min_streams: Annotated[int, Between(0, 64)] = 1
    """How many streams have to give pictures. One camera that stalls then counts only where too few are left."""


TENSORS_SUFFIX = ".npz"
"""Of golden frames that are plain tensors."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Golden:
    """Frames whose right answers are known; run on the device before a release counts as healthy."""

    frames: Annotated[tuple[InnerPath, ...], Length(1)]
    """Images (PNG), relative to the recipe's folder. For models without a picture `.npz` files: of each input that is
    not fed back an array [steps, ...] under its name, or MODEL.INPUT; what is found at the last step counts."""
    expected: InnerPath
    """JSON file: for each frame's file name a list of detections."""
    position_px: Annotated[float, Between(0, 100_000)] = 2.0
    score: Annotated[float, Between(0, 1)] = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageIndex:
    """An index beside the user's own: NVIDIA's for Jetson, a private one.

    A user name and password come from `UV_INDEX_NAME_USERNAME` and `UV_INDEX_NAME_PASSWORD`, netrc or keyring.
    """

    url: OneLine
    """Its address, without a user's name or password."""
    packages: tuple[OneLine, ...] = ()
    """What is taken from there and from nowhere else. Empty: it is asked first for every package."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Python:
    """Python packages of the application, beside those that edgekit's worker needs itself."""

    requirements: tuple[OneLine, ...] = ()
    constraints: tuple[OneLine, ...] = ()
    """Versions that packages must have where they are needed at all, as `uv pip compile --constraints` reads them."""
    override: tuple[OneLine, ...] = ()
    """Requirements that replace what packages say of those names, as `uv pip compile --overrides` reads them."""
    exclude: tuple[OneLine, ...] = ()
    """Packages that are left out, whoever needs them, as `uv pip compile --excludes` reads them."""
    indexes: dict[FileName, PackageIndex] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """An application as written in recipe.toml."""

    name: ApplicationName
    version: SemanticVersion
    description: str = ""
    models: dict[TableName, Model] = field(default_factory=dict)
    pipeline: RecipePipeline
    serve: Serve = Serve()
    """How models are reached that have `serve = true`."""
    limits: Limits
    health: Health = Health()
    golden: Golden | None = None
    python: Python = Python()
    settings: Annotated[dict[TableName, Setting], Length(0, 256)] = field(default_factory=dict)
    """Values that differ from board to board. `{ setting = "NAME" }` stands for one, in any value of a source, of a
    stage's options or of a sink; fleet.toml gives them, and no release holds them."""
