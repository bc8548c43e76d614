"""Where frames come from, as written in recipe.toml: one dataclass for each kind. `kind` tells them apart.

A new kind is a class here, a member of `RecipeSource`, and a module in `edgekit/device/runtime/sources/` that plays it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from edgekit.schema.bounds import Between, Matches
from edgekit.schema.names import ClassEntry, InnerPath, OneLine, TableName

Matrix = Literal["601", "709", "2020"]
Range = Literal["limited", "full"]
Pixel = Annotated[int, Between(0, 16_384)]
Side = Annotated[int, Between(16, 8192)]
Rate = Annotated[float, Between(above=0, maximum=1000)]
PICTURE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".webp"})
"""Of files that are pictures."""
Limit = Annotated[float, Between(0.1, 3600)]
RtspUrl = Annotated[str, Matches(r"rtsps?://[^\s/]+(?:/[^\s]*)?", 'an address such as "rtsp://10.0.0.5/stream1"')]
Passes = Annotated[int, Between(0, 1_000_000)]
"""How often something is played; 0 is for ever."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Roi:
    """A part of the picture, in its pixels; numbers are even, as chroma has a sample for each two pixels."""

    left_px: Pixel = 0
    top_px: Pixel = 0
    width_px: Side
    height_px: Side


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamOptions:
    """What every source may say of its stream."""

    lane: TableName
    """On whose CPUs it is decoded, on a thread of its own."""
    priority: Annotated[int, Between(0, 100)] = 0
    """Whose frames a lane takes first where several streams wait: the highest. Among equals the earliest deadline."""
    deadline_ms: Annotated[float, Between(above=0, maximum=600_000)] | None = None
    """From a frame's capture to the last sink. One that cannot be through in time is dropped before it costs anything,
    and so is one that would make a newer one of its stream late. Unset: none is dropped for that."""
    weight: Annotated[float, Between(0.01, 100)] = 1.0
    """Its share of the time of lanes and accelerators among streams of the same priority, where there is too little."""
    max_wait_s: Annotated[float, Between(above=0, maximum=3600)] | Literal["never"] = 2.0
    """After so long without being served it comes before every priority, and late rather than never. `never`: it gets
    what others leave, and that may be nothing."""
    max_fps: Rate | None = None
    """At most so many frames a second go on, each the newest at its time; the others are dropped after decoding."""
    enabled: bool = True
    """False on a board that has no such camera: usually `{ setting = "NAME" }`. One release then fits boards with few
    cameras and with many."""
    roi: Roi | None = None
    """Stages see this part alone, and their detections stand in pixels of the whole picture."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DecodedOptions(StreamOptions):
    """What a source of decoded video may say beside."""

    matrix: Matrix | None = None
    """Only for a stream that does not say it itself."""
    range: Range | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FileSource(DecodedOptions):
    """A clip."""

    kind: Literal["file"]
    path: InnerPath
    """Relative to the recipe's folder; it travels with the release."""
    pace: Literal["camera", "fast"] = "camera"
    """`camera`: frames come at the clip's own rate; `fast`: as fast as the pipeline takes them."""
    loops: Passes = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ImagesSource(StreamOptions):
    """A folder of pictures, in the order of their names. They say their colours themselves."""

    kind: Literal["images"]
    path: InnerPath
    """The folder, relative to the recipe's; its PNG, JPEG, BMP and WebP files travel with the release."""
    fps: Rate = 10.0
    pace: Literal["camera", "fast"] = "camera"
    """`camera`: so many pictures a second; `fast`: as fast as the pipeline takes them."""
    loops: Passes = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class SyntheticSource(StreamOptions):
    """Drawn scenes: bright boxes that cross a noisy ground. Every frame knows what is in it: `Frame.truth`."""

    kind: Literal["synthetic"]
    width_px: Side = 640
    height_px: Side = 360
    fps: Rate = 25.0
    objects: Annotated[int, Between(0, 1000)] = 4
    """How many are on their way at a time."""
    noise: Annotated[int, Between(0, 64)] = 4
    """Of the ground, in levels of luma: a sensor's, new in every frame."""
    seed: Annotated[int, Between(0, (1 << 32) - 1)] = 0
    """The same seed draws the same frames."""
    frames: Annotated[int, Between(0, 1_000_000_000)] = 0
    """How many; 0 is for ever."""
    pace: Literal["camera", "fast"] = "camera"


@dataclass(frozen=True, slots=True, kw_only=True)
class CameraOptions(DecodedOptions):
    """What every camera may say: when it counts as lost. It is then connected again by itself, without the others."""

    stall_s: Limit = 5.0
    """So long without a picture, it is stalled."""
    frozen_s: Annotated[float, Between(0, 86_400)] = 30.0
    """So long the same picture, to the last bit, it is frozen: a sensor's noise never is the same. 0: it may be."""
    backoff_s: Limit = 30.0
    """Longest pause between two tries; the first ones come sooner."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RtspSource(CameraOptions):
    """A camera on the network: H.264, H.265 or Motion JPEG."""

    kind: Literal["rtsp"]
    url: RtspUrl
    """Without user and password."""
    user: OneLine | None = None
    password: OneLine | None = None
    """A secret setting: `{ setting = "NAME" }`."""
    transport: Literal["tcp", "udp"] = "tcp"
    connect_s: Limit = 10.0
    """So long it may take to answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class V4l2Source(CameraOptions):
    """A camera of the kernel, on USB or CSI. Raw pictures do not say their colours: declare `matrix` and `range`, of
    grey ones `range` alone, of rgb and bgr nothing."""

    kind: Literal["v4l2"]
    device: Annotated[str, Matches("/dev/[A-Za-z0-9._/:-]{1,200}", 'a device such as "/dev/video0"')]
    format: Literal["yuyv", "mjpeg", "nv12", "i420", "grey", "rgb", "bgr"] = "yuyv"
    width_px: Side = 1280
    height_px: Side = 720
    fps: Rate = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class GstreamerSource(CameraOptions):
    """Any pipeline of the board's own GStreamer that ends in an appsink; it runs in a process of its own."""

    kind: Literal["gstreamer"]
    launch: OneLine
    """As for gst-launch. `{decoder}` stands for a decoder that the board has, `{camera}` for its camera source."""
    codec: Literal["h264", "h265"] = "h264"
    """What `{decoder}` decodes."""
    decoder: Annotated[str, Matches("[A-Za-z][A-Za-z0-9_-]{0,62}", "auto, or the name of an element")] = "auto"
    """`auto`: the board's hardware where it has some (nvv4l2decoder, mppvideodec, v4l2sl…), else software."""
    connect_s: Limit = 30.0
    """So long it may take to its first picture."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PythonSource(StreamOptions):
    """The recipe's own source, a class in its `app/`: see `edgekit.stage.PictureSource`."""

    kind: Literal["python"]
    entry: ClassEntry
    """`module:Class` in the recipe's `app/` folder."""
    options: dict[str, Any] = field(default_factory=dict)
    """For the dataclass that the class names in its attribute `Options`; as they are where it names none."""
    fps: Rate = 25.0
    """How many pictures a second are expected of it; its own class keeps the pace."""
    live: bool = True
    """Whether its pictures wait for nobody, as a camera's: it is made anew where it ends or fails. Else its end is the
    stream's, and a failure the release's."""
    backoff_s: Limit = 30.0
    """Longest pause before it is made anew; the first ones are shorter."""


RecipeSource = FileSource | ImagesSource | SyntheticSource | RtspSource | V4l2Source | GstreamerSource | PythonSource
"""Where frames come from, by `kind`. Each source is a stream of its own, and all of them pass all stages."""


def gives_packets(source: RecipeSource) -> bool:
    """Whether it is decoded from packets in the worker: clips are made of those."""
    return isinstance(source, (FileSource, RtspSource)) or (isinstance(source, V4l2Source) and source.format == "mjpeg")
