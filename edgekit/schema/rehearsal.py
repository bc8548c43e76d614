"""What the workstation and a rehearsal exchange: a release's stages are tried on the workstation before it is sent."""

from __future__ import annotations

from dataclasses import dataclass, field

from edgekit.schema.detection import Detection
from edgekit.schema.message import Message
from edgekit.schema.plan import WorkerPlan
from edgekit.schema.source import Matrix, Range

REQUEST = "request.json"
REPLY = "reply.json"
NOW = "now.txt"
"""What is being done at the moment: read where a rehearsal ends without a reply."""
OUTPUT = "output.txt"
"""What the recipe's code prints."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Grab:
    """Frames to be taken out of the recipe's clip, as pictures that the stages then pass."""

    folder: str
    """Where they are written, as PNG."""
    count: int = 4
    """How many, evenly spread over the clip."""
    frames: tuple[int, ...] = ()
    """Their numbers, from 0, where they are chosen by hand."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RehearsalRequest(Message):
    """What is to be tried. Paths are absolute, but for those in the plan."""

    plan: WorkerPlan
    release: str
    """Folder laid out as the release will be, but for `site/` and what stands in for engines."""
    packages: str = ""
    """Folder of those packages of the release that this Python can import; empty: none."""
    site: str = ""
    """Folder of all packages of the release, also those compiled for the target; empty: not known."""
    native: bool = False
    """Whether this Python can import all of them: the target is this machine."""
    pictures: tuple[str, ...] = ()
    grab: Grab | None = None
    """Takes pictures from the clip in place of `pictures`."""
    answers: dict[str, str] = field(default_factory=dict)
    """An `.npz` for each engine that cannot run here: an array `output:NAME` for each output, [pictures, ...]."""
    step_s: float
    """How long one step may take: a stage's import, its making, its work on one picture."""
    memory_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Untried:
    """A stage that this machine cannot try."""

    stage: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RehearsalFailure:
    """Something that would fail on the device too."""

    message: str
    hint: str
    details: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RehearsedStream:
    """A source that was opened: what its pictures are."""

    name: str
    matrix: Matrix | None = None
    """None: it has pixels."""
    range: Range


@dataclass(frozen=True, slots=True, kw_only=True)
class RehearsalReply(Message):
    """How it went."""

    passed: tuple[str, ...] = ()
    """Stages that pictures pass: those before the first one with state."""
    pictures: tuple[tuple[Detection, ...], ...] = ()
    """What they find in each picture; empty where that cannot be judged here."""
    grabbed: tuple[str, ...] = ()
    """Files that were taken from the clip, in the order of `pictures`."""
    unjudged: str = ""
    """Why it cannot."""
    untried: tuple[Untried, ...] = ()
    streams: tuple[RehearsedStream, ...] = ()
    """Those that could be opened: cameras are not."""
    failure: RehearsalFailure | None = None
