"""What a recipe's own code in `app/` may import of edgekit: this module, and nothing else of the package.

    from edgekit.stage import Detection, Frame, Stage, StageContext

    class Decode(Stage):
        def __call__(self, frame: Frame) -> Frame:
            (x, y), = frame.result(self.context.model).outputs["spots"]
            frame.detections = (Detection(label="spot", x_px=float(x), y_px=float(y), score=1.0),)
            return frame

`edgekit build` refuses code that imports other modules of edgekit: they change between versions, and this one does not
without a new `STAGE_API`. The rules for a stage:

- One object is made for each stream, before its first frame. It sees the frames of that stream alone, in order, one
  after the other. On a lane of several `threads` there is one for each of them, which sees a part of that stream's
  frames. What exists once on a board (a bus, a valve, a connection) belongs in a class of its own: see `Stage.Shared`.
- `options` are read as strictly as the rest of recipe.toml where the class names a dataclass in `Options`.
- A frame's picture ends with the frame: what a stage wants later it keeps with `frame.keep()`.
- An error that a stage raises drops that frame, is counted and logged, and stops nothing else.
- Log with `context.log`, or with a logger of `logging`; the worker writes both to its journal.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from edgekit.errors import FrameReleased, PicturesFull
from edgekit.given import GivenPicture, PictureSource, SourceContext
from edgekit.imaging.copying import copy_picture
from edgekit.imaging.image import FrameSpec, Image, Pixels, RgbImage, RgbSpec, Yuv420Image
from edgekit.imaging.kept import KeptPicture
from edgekit.results import ResultContext, ResultSink, SceneEvent, SceneResult
from edgekit.schema.bounds import Between, Length
from edgekit.schema.detection import Attribute, Detection, Keypoint
from edgekit.schema.recipe import ColourContract

__all__ = [
    "STAGE_API",
    "Attribute",
    "Between",
    "ColourContract",
    "Detection",
    "Frame",
    "FrameReleased",
    "FrameSpec",
    "GivenPicture",
    "Image",
    "KeptPicture",
    "Keypoint",
    "Length",
    "ModelResult",
    "ModelRunner",
    "PictureSource",
    "PicturesFull",
    "Pixels",
    "ResultContext",
    "ResultSink",
    "RgbImage",
    "RgbSpec",
    "SceneEvent",
    "SceneResult",
    "SharedContext",
    "SourceContext",
    "Stage",
    "StageContext",
    "StreamInfo",
    "Yuv420Image",
]

STAGE_API = 1
"""Rises when a stage that was written for this module has to be changed."""

Array: TypeAlias = npt.NDArray[np.generic]


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamInfo:
    """What is known of a stream before its first frame."""

    name: str
    """The source's name in the recipe."""
    spec: FrameSpec | RgbSpec
    """Size and colours of every frame, until the stream restarts."""
    fps: float
    """Frames per second, by the source's own timestamps; 0 where it does not say."""
    codec: str = ""
    """What it is decoded from, as FFmpeg calls it; empty where nothing is decoded."""
    left_px: int = 0
    """Where its frames lie in the camera's picture: the corner of its region of interest."""
    top_px: int = 0
    scale: int = 1
    """How many pixels of the camera's picture one of its frames' is as wide and high as: 2 while memory is tight, where
    the recipe allows that. What is found stands in the camera's pixels all the same."""


class ModelResult:
    """What one model takes and gives for one frame."""

    __slots__ = ("_draw", "_picture", "inputs", "outputs")

    def __init__(
        self,
        *,
        picture: Pixels | None = None,
        inputs: dict[str, Array] | None = None,
        outputs: dict[str, Array] | None = None,
    ) -> None:
        self._picture, self._draw = picture, _no_picture
        self.inputs = {} if inputs is None else inputs
        """The model's inputs by name: `preprocess` fills the picture's, `infer` takes all and leaves none. The arrays
        are the engine's own memory where it has some to lend, and are given back when nobody holds them: keep no view
        of one. A stage between the two fills the others, if the model has more. The picture's is read-only: who changes
        it puts an array of its own in its place."""
        self.outputs = {} if outputs is None else outputs
        """The model's outputs by name, owned by the frame."""

    @property
    def picture(self) -> Pixels | None:
        """uint8[height, width, 3], RGB, full range, at the model's input size. A buffer of its own for each frame.

        It is made when it is first asked for: a model whose boxes are all that counts costs no picture. None before
        `preprocess`.
        """
        if self._picture is None:
            self._picture = self._draw()
        return self._picture

    @picture.setter
    def picture(self, picture: Pixels | None) -> None:
        self._picture, self._draw = picture, _no_picture

    def draw(self, make: Callable[[], Pixels]) -> None:
        """Have `picture` made by this, if anybody asks for it."""
        self._picture, self._draw = None, make

    @property
    def holds_frame(self) -> bool:
        """Whether it holds the frame's picture, to make its own of it."""
        return self._draw is not _no_picture

    def end(self) -> None:
        """The frame's picture has ended: what was not made by now is not to be had."""
        if self._draw is not _no_picture:
            self._draw = _ended_picture


def _no_picture() -> Pixels | None:
    return None


def _ended_picture() -> Pixels | None:
    raise FrameReleased(
        "the model's picture of a frame was asked for after the frame has ended, and never before",
        hint="use it before the stage returns, or copy it: picture.copy()",
    )


class Lease(Protocol):
    """The right to use a frame's picture. The runtime gives it and takes it back; no stage has to do with it."""

    def keep(self, frame: Frame) -> KeptPicture:
        """See `Frame.keep`."""


@dataclass(slots=True, kw_only=True, eq=False)
class Frame:
    """One picture on its way, with everything that was found out about it.

    Until it reaches the sinks exactly one lane holds it, and whoever holds it may change it. Sinks only read. Its
    picture lies in the decoder's memory: it ends with the frame's way, and what shall last longer is copied by `keep`.
    """

    stream: str
    """Name of its source."""
    sequence: int
    """Number in its stream, from 0; it rises over restarts too. Frames that were lost or dropped leave a hole."""
    captured_s: float
    """Monotonic time at which the frame was there, not when somebody had time for it: latency counts from here."""
    camera_s: float | None = None
    """The same by the camera's own clock, seconds since 1970; None where it does not tell."""
    image: Image = field(repr=False)
    """Read-only. It is there until the frame's way ends: after the last sink, where a stage returns None or fails, or
    where the frame is dropped. Asking for it later raises FrameReleased. An array that is taken out of it keeps the
    decoder's memory, and so one of the few pictures that may be under way: the log names who does so."""
    results: dict[str, ModelResult] = field(default_factory=dict)
    """By the model's name in the recipe."""
    detections: tuple[Detection, ...] = ()
    """Of all models so far; a stage that finds more adds to them."""
    counts: dict[str, int] = field(default_factory=dict)
    """The application's counts in this pass of the stream. A stage sets a new dict, it never changes an old one."""
    events: tuple[SceneEvent, ...] = ()
    """What happened in this frame. A stage adds to those of others."""

    truth: tuple[Detection, ...] | None = None
    """What really is in the picture, where its source knows: drawn scenes do."""
    lease: Lease | None = field(default=None, init=False, repr=False)
    """The runtime's own, as is the next; None for a frame outside of a running pipeline."""
    generation: int = field(default=0, init=False, repr=False)

    def result(self, model: str) -> ModelResult:
        """What a model takes and gives for this frame; empty where no stage has worked for it yet."""
        return self.results.setdefault(model, ModelResult())

    def keep(self) -> KeptPicture:
        """A copy of the picture that outlives the frame: for a clip, a comparison with later frames, another thread.

        Raises:
            PicturesFull: `limits.pictures_max` of the recipe are taken. Go on without, or release others.
            FrameReleased: the frame's way has ended already.
        """
        if self.lease is not None:
            return self.lease.keep(self)
        return KeptPicture(copy_picture(self.image), self.stream, self.sequence)

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            """Called for what is not there: a picture that has ended."""
            if name != "image":
                raise AttributeError(f"Frame has no attribute {name!r}")
            raise FrameReleased(
                f"frame {self.sequence} of stream {self.stream} has ended, and its picture with it",
                hint="use frame.image before the stage returns, or keep a copy: frame.keep()",
            )


class ModelRunner(Protocol):
    """A stage's engine, loaded. Any number of threads may call it."""

    @property
    def picture(self) -> str:
        """The input that takes the picture of the model's colour contract; empty: none does."""

    def lend(self) -> dict[str, Array]:
        """Memory for all inputs by name, to fill ahead of a run: the engine's own as long as it has some to lend.

        It belongs to whoever holds one of the arrays, and is given back when nobody does.
        """

    def infer(self, tensors: Mapping[str, Array]) -> dict[str, Array]:
        """Run the engine once.

        Args:
            tensors: all inputs by name; read only during the call.

        Returns:
            The outputs by name, owned by the caller.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedContext:
    """What is made once for all streams is made with this."""

    name: str
    """The stage's own name in the recipe."""
    options: Any
    """As in `StageContext`."""
    release: Path

    @property
    def log(self) -> logging.Logger:
        """Writes to the worker's journal, under the stage's name."""
        return logging.getLogger(f"edgekit.stage.{self.name}")


@dataclass(frozen=True, slots=True, kw_only=True)
class StageContext:
    """What a stage is made with."""

    name: str
    """The stage's own name in the recipe."""
    options: Any
    """Of the type that the class names in `Options`; as they stand in recipe.toml where it names none."""
    stream: StreamInfo
    """Whose frames it will see."""
    release: Path
    """The release's folder, for files that a stage reads."""
    model: str
    """The stage's model by name; where the stage names none, the only model that there is; else empty."""
    runner: ModelRunner | None
    """The engine of `model`, loaded; only for a stage that names a model, or is `preprocess`."""
    contract: ColourContract | None
    """Input of `model`; None where it takes no picture."""
    shared: Any = None
    """What the class names in `Shared`, made once for all streams; None where it names none."""
    feeds: Mapping[str, str] = field(default_factory=dict)
    """Inputs of `model` that take an output's last answer, with that output: `infer` sees to it. A stage that runs the
    model itself gives zeros first, and then what came out."""

    @property
    def log(self) -> logging.Logger:
        """Writes to the worker's journal, under the stage's name."""
        return logging.getLogger(f"edgekit.stage.{self.name}")


class Stage:
    """One step for one stream: takes a frame, changes it, hands it on. A recipe's stage need not derive from this."""

    stateless: ClassVar[bool] = True
    """Whether a frame's result depends on that frame alone. Golden frames pass the stages before the first one with
    state; a class in `app/` that does not have this attribute counts as one with state."""

    board_only: ClassVar[bool] = False
    """Whether only a board can make it, for its hardware: `edgekit build` then imports its class and no more."""

    Options: ClassVar[type | None] = None
    """The dataclass of its options. `context.options` is one, read as strictly as the rest of recipe.toml; the build
    reads the dataclass too, and refuses what does not fit it."""

    Shared: ClassVar[type | None] = None
    """A class that is made once, with a `SharedContext`, and that the stages of all streams find in `context.shared`:
    for what exists once on a board. It may have a `close`, called after the last stage's. Streams may be worked on by
    several threads: it locks what it must."""

    def __init__(self, context: StageContext) -> None:
        self.context = context

    def __call__(self, frame: Frame) -> Frame | None:
        """Work on one frame. None ends its way here, and counts as dropped with cause `stage`."""
        raise NotImplementedError

    def reset(self) -> None:
        """Forget earlier frames: the stream has restarted (a clip begins again, a camera is back)."""

    def gap(self, missing: int) -> None:
        """So many frames are missing before the next one, as far as the source can tell; they are in `sequence` too."""

    def close(self) -> None:
        """Free what it holds: called once, when no frame of the stream follows."""
