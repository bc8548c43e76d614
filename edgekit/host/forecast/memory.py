"""Predicts a worker's memory, owner by owner: what it is when all goes well, and what it may become. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from edgekit.host.forecast.constants import (
    CAMERA_BYTES,
    CAMERA_KERNEL_BYTES,
    DECODER_BYTES_A_PIXEL,
    INTERPRETER_BYTES,
    KERNEL_BYTES,
    LIBRARIES_BYTES,
    REFERENCES,
    RUNTIME_BYTES,
    STREAM_BITS_A_PIXEL,
    SURFACE_BYTES_A_PIXEL,
)
from edgekit.schema.plan import WorkerPlan
from edgekit.schema.profile import Profile, SizeProfile
from edgekit.schema.recipe import ColourContract
from edgekit.schema.sink import ClipSink, JsonlSink, MqttSink, PreviewSink, PythonSink, WebhookSink

_LINES_BYTES, _OUTBOX_BYTES = 4 << 20, 1 << 20
"""What waits in memory at most: of a jsonl sink for its disk, of a sink that sends for its broker or server."""
_KEY_S = 2.0
"""Between key pictures of a camera, as a rule; a clip begins with one."""
_FLOAT_BYTES = 4
_MACROBLOCK = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryLine:
    """What one owner takes."""

    owner: str
    usual_bytes: int
    """When all goes well."""
    most_bytes: int
    """When all that is bounded has come to its bound: queues full, disks and brokers away."""
    known_from: str
    """`profile`, `constant`, `recording` (and constants), `model` (measured on this machine), or `recipe`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cameras:
    """Cameras of one kind."""

    count: int
    width_px: int
    height_px: int
    fps: float
    references: int = 0
    """Pictures that its decoder keeps, as a recording says; 0: nobody has recorded it."""
    pictures: int = 1
    """Of one camera on their way at once, as the lanes' forecast says."""

    @property
    def size(self) -> str:
        """Of their pictures, in words."""
        return f"{self.width_px}x{self.height_px}"

    def __str__(self) -> str:
        return f"{self.count} x {self.size}"


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryForecast:
    """A worker's memory. `memory.stat` calls the sum anon + shmem + kernel; pages of files come beside it."""

    lines: tuple[MemoryLine, ...]
    file_bytes: int
    """Libraries' code and other pages of files: the kernel drops them where memory is short."""
    accelerators: tuple[MemoryLine, ...] = ()
    """What engines take on accelerators, which lies beside the process: the board has to have it too."""
    memory_max: int

    @property
    def usual_bytes(self) -> int:
        """The sum of what it takes when all goes well."""
        return sum(line.usual_bytes for line in self.lines)

    @property
    def most_bytes(self) -> int:
        """The sum of what it may take."""
        return sum(line.most_bytes for line in self.lines)

    @property
    def accelerator_bytes(self) -> int:
        """The sum of what engines take on accelerators."""
        return sum(line.usual_bytes for line in self.accelerators)

    @property
    def fits(self) -> bool:
        """Whether it fits its limit when all goes well."""
        return self.usual_bytes <= self.memory_max


def foretell_memory(
    plan: WorkerPlan, cameras: Sequence[Cameras], profile: Profile | None, models: Mapping[str, int]
) -> MemoryForecast:
    """Add up what a worker takes.

    Args:
        plan: its plan.
        cameras: what it looks at, at least one kind.
        profile: what was measured of it; constants tell of cameras whose size is not among its own. None: nothing was.
        models: what models take that were measured on this machine, in bytes.
    """
    begin = _measured(profile, cameras) if profile else _assumed(plan, models)
    lines = (*begin, *_cameras(plan, cameras, profile), *_sinks(plan, cameras), *_kept(plan))
    return MemoryForecast(
        lines=tuple(line for line in lines if line.most_bytes),
        file_bytes=profile.memory.file_bytes if profile else 0,
        accelerators=tuple(_accelerators(profile)) if profile else (),
        memory_max=plan.limits.memory_max,
    )


def size_of(profile: Profile | None, cameras: Cameras) -> SizeProfile | None:
    """What a profile says of such pictures."""
    wanted = (cameras.width_px, cameras.height_px)
    return next((one for one in profile.sizes if (one.width_px, one.height_px) == wanted), None) if profile else None


def _measured(profile: Profile, cameras: Sequence[Cameras]) -> Iterator[MemoryLine]:
    memory = profile.memory
    size = next(filter(None, (size_of(profile, kind) for kind in cameras)), profile.sizes[0])
    engines = sum(engine.memory_bytes for engine in profile.engines.values())
    yield _line("interpreter", memory.interpreter_bytes, "profile")
    yield _line("libraries", memory.libraries_bytes - memory.interpreter_bytes, "profile")
    for name, engine in profile.engines.items():
        yield _line(f"engine {name}", engine.memory_bytes, "profile")
    yield _line("golden frames, arenas", memory.ready_bytes - memory.libraries_bytes - engines, "profile")
    yield _line("lanes, sinks, reports", size.memory_bytes - size.stream_bytes - memory.ready_bytes, "profile")


def _accelerators(profile: Profile) -> Iterator[MemoryLine]:
    for name, engine in profile.engines.items():
        if engine.accelerator_bytes:
            yield _line(f"accelerator: engine {name}", engine.accelerator_bytes, "profile")


def _assumed(plan: WorkerPlan, models: Mapping[str, int]) -> Iterator[MemoryLine]:
    yield _line("interpreter", INTERPRETER_BYTES, "constant")
    yield _line("libraries", LIBRARIES_BYTES, "constant")
    if any(engine.runner == "onnxruntime" or engine.tail for engine in plan.engines.values()):
        yield _line("ONNX Runtime", RUNTIME_BYTES, "constant")
    for name, taken in models.items():
        yield _line(f"engine {name}", taken, "model")


def _cameras(plan: WorkerPlan, cameras: Sequence[Cameras], profile: Profile | None) -> Iterator[MemoryLine]:
    further = 0
    for kind in cameras:
        size = size_of(profile, kind)
        each = _as_measured(kind, size) if size else _as_others(plan, kind)
        known_from = "profile" if size else "recording" if kind.references else "constant"
        yield _line(f"cameras: {kind}, decoders and stages", kind.count * each, known_from)
        further += kind.count * max(0, _most_pictures(plan) - kind.pictures) * _surface(kind)
    yield MemoryLine(owner="pictures in queues that are full", usual_bytes=0, most_bytes=further, known_from="recipe")
    count = sum(kind.count for kind in cameras)
    yield _line("kernel: page tables, stacks, sockets", KERNEL_BYTES + count * CAMERA_KERNEL_BYTES, "constant")


def _as_measured(kind: Cameras, size: SizeProfile) -> int:
    """What a camera takes by a profile of such pictures."""
    # Fewer than where it was measured, too: a clip that a slow board falls behind with fills every queue.
    more = kind.pictures - max(1, size.pictures)
    if kind.references and size.references:
        more += kind.references - size.references
    return max(0, size.stream_bytes + more * _surface(kind))


def _as_others(plan: WorkerPlan, kind: Cameras) -> int:
    """What a camera takes by constants, and by its recording where there is one."""
    kept = (kind.references or REFERENCES) - 1 + kind.pictures - 1
    decoder = DECODER_BYTES_A_PIXEL * _pixels(kind) + kept * _surface(kind)
    return CAMERA_BYTES + int(decoder) + sum(map(_stage_bytes, _contracts(plan)))


def _sinks(plan: WorkerPlan, cameras: Sequence[Cameras]) -> Iterator[MemoryLine]:
    """What sinks may keep: little while disks and brokers are there."""
    for name, sink in plan.sinks.items():
        usual = most = 0
        match sink:
            case ClipSink():
                usual = sum(kind.count * _clip_bytes(sink, kind) for kind in cameras)
                most = sink.buffer * sum(kind.count for kind in cameras)
            case JsonlSink():
                most = _LINES_BYTES
            case MqttSink() | WebhookSink() | PythonSink():
                most = _OUTBOX_BYTES
            case PreviewSink():
                most = sum(kind.count * _preview_bytes(sink, kind) for kind in cameras)
        yield MemoryLine(owner=f"sink {name}", usual_bytes=usual, most_bytes=max(usual, most), known_from="recipe")


def _clip_bytes(sink: ClipSink, kind: Cameras) -> int:
    bits = STREAM_BITS_A_PIXEL * kind.width_px * kind.height_px * kind.fps
    return int(min(sink.buffer, bits / 8 * (sink.before_s + _KEY_S)))


def _preview_bytes(sink: PreviewSink, kind: Cameras) -> int:
    width = min(sink.width_px, kind.width_px)
    return 6 * width * (width * kind.height_px // max(1, kind.width_px))


def _kept(plan: WorkerPlan) -> Iterator[MemoryLine]:
    """Pictures that the recipe's own code may keep."""
    own = any(stage.kind == "python" for stage in plan.stages)
    own = own or any(isinstance(sink, (PythonSink, PreviewSink)) for sink in plan.sinks.values())
    most = plan.limits.pictures_max if own else 0
    yield MemoryLine(owner="pictures that are kept", usual_bytes=0, most_bytes=most, known_from="recipe")


def _line(owner: str, taken: int, known_from: str) -> MemoryLine:
    return MemoryLine(owner=owner, usual_bytes=max(0, taken), most_bytes=max(0, taken), known_from=known_from)


def _most_pictures(plan: WorkerPlan) -> int:
    """Of one camera: as many as there are leases (`device/runtime/pipeline.py`)."""
    used = {stage.lane for stage in plan.stages} | {sink.lane for sink in plan.sinks.values()}
    return 1 + sum(lane.queue + lane.threads for name, lane in plan.lanes.items() if name in used)


def _pixels(cameras: Cameras) -> int:
    """Decoders work in whole macroblocks."""
    return _whole(cameras.width_px) * _whole(cameras.height_px)


def _surface(cameras: Cameras) -> int:
    return int(SURFACE_BYTES_A_PIXEL * _pixels(cameras))


def _whole(pixels: int) -> int:
    return -(-pixels // _MACROBLOCK) * _MACROBLOCK


def _contracts(plan: WorkerPlan) -> tuple[ColourContract, ...]:
    return tuple(engine.input for engine in plan.engines.values() if engine.input is not None)


def _stage_bytes(contract: ColourContract) -> int:
    """What converting a frame takes in each stream: the tensor, and the picture in its size."""
    tensor = contract.width_px * contract.height_px * contract.channels * contract.batch
    return tensor * (_FLOAT_BYTES if contract.dtype == "float32" else 1) + 3 * contract.width_px * contract.height_px
