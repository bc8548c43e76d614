"""Drafts a recipe for a user's own model: looks into it, tells what has to be asked, writes recipe and settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from edgekit.errors import InputError
from edgekit.host.catalogue.draft.ends import DraftEnd, parse_broker, parse_cameras
from edgekit.host.catalogue.draft.exporter import ExporterSays, is_label, read_metadata
from edgekit.host.catalogue.draft.facts import ModelFacts, TensorFacts
from edgekit.host.catalogue.draft.fleet_text import WrittenSettings, settings_of_ends, write_settings
from edgekit.host.catalogue.draft.folder import DraftFiles, choose_pictures, name_in_recipe, write_folder
from edgekit.host.catalogue.draft.head import recognise_head
from edgekit.host.catalogue.draft.picture import draft_picture
from edgekit.host.catalogue.draft.question import LABELS, PRECISION, THRESHOLD, Answers, OpenQuestion, parse_answers
from edgekit.host.catalogue.draft.text import Draft, recipe_text
from edgekit.host.catalogue.recipes import read_recipe
from edgekit.host.engine.bench import INSPECTION
from edgekit.host.engine.inspection.asking import inspect_network
from edgekit.host.engine.model.onnx_model import Tensor
from edgekit.host.engine.reading import read_bounded
from edgekit.host.workflow.workstation import Workstation

_MAX_LABELS_BYTES = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class LookedInto:
    """A user's model, as far as its file tells."""

    file: Path
    facts: ModelFacts
    says: ExporterSays
    beside: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftRequest:
    """What a user wants of a recipe."""

    name: str
    parent: Path
    """Folder that the recipe's is made in."""
    answers: Mapping[str, str] = field(default_factory=dict)
    pictures: tuple[Path, ...] = ()
    """To calibrate with, and for golden frames."""
    cameras: tuple[DraftEnd, ...] = ()
    broker: DraftEnd | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftedRecipe:
    """What was written."""

    name: str
    path: Path
    known: tuple[str, ...]
    """What the model's file told, and what was assumed, in words."""
    copied: tuple[str, ...]
    settings: WrittenSettings
    fleet_file: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftWords:
    """What a command line says of a recipe."""

    name: str
    parent: Path
    """Folder that the recipe's is made in."""
    answers: Sequence[str]
    """`KEY=VALUE` texts."""
    pictures: Path | None
    """Folder with pictures of the cameras."""
    cameras: Sequence[str]
    """`[NAME=]rtsp://[USER@]HOST/PATH` texts."""
    broker: str
    """`[USER@]HOST[:PORT]`; empty: none."""


def draft_request(words: DraftWords) -> DraftRequest:
    """What a command line asks for.

    Raises:
        InputError: one of its words is none, or the folder has no picture.
    """
    return DraftRequest(
        name=words.name,
        parent=words.parent,
        answers=parse_answers(words.answers),
        pictures=choose_pictures(words.pictures) if words.pictures else (),
        cameras=parse_cameras(words.cameras),
        broker=parse_broker(words.broker) if words.broker else None,
    )


def look_into_model(file: Path, station: Workstation) -> LookedInto:
    """Read a model, in a child with limits.

    Raises:
        EngineError: it is no valid ONNX model, or reading it takes too much.
        InputError: it cannot be read.
    """
    with station.progress.step(f"looking into {file}"):
        found = inspect_network(file, station.executor, INSPECTION)
    facts = ModelFacts(
        inputs=tuple(map(_tensor, found.onnx.inputs)),
        outputs=tuple(map(_tensor, found.onnx.outputs)),
        opset=found.onnx.opset,
        metadata=found.metadata,
    )
    return LookedInto(file=file, facts=facts, says=read_metadata(found.metadata), beside=found.beside)


def open_questions(looked: LookedInto, request: DraftRequest) -> tuple[OpenQuestion, ...]:
    """What has to be answered before a recipe can be written.

    Raises:
        InputError: no recipe can be written for this model, or an answer is none.
    """
    return _draft(looked, request)[1]


def write_draft(looked: LookedInto, request: DraftRequest, station: Workstation) -> DraftedRecipe:
    """Write a recipe and its settings.

    Raises:
        InputError: questions are open, each named with its option; or something cannot be read or written.
    """
    draft, questions, assumed = _draft(looked, request)
    if draft is None:
        told = "\n".join(f"  {question.option}   {question.about}" for question in questions)
        raise InputError(
            f"{looked.file} does not say all that a recipe needs:\n{told}",
            hint=f"answer with {questions[0].option.partition('|')[0]}, and so on; on a terminal you are asked",
        )
    if draft.precision == "int8" and not request.pictures:
        hint = "--pictures FOLDER, or --set precision=float16"
        raise InputError("int8 gets its ranges from pictures, and none are given", hint=hint)
    files = DraftFiles(
        text=recipe_text(draft), model=looked.file, onnx=draft.onnx, beside=looked.beside, pictures=request.pictures
    )
    path, copied = write_folder(files, request.name, request.parent)
    read_recipe(path)
    fleet_file = station.settings.fleet_file
    return DraftedRecipe(
        name=request.name,
        path=path,
        known=tuple(_known(looked, draft, assumed)),
        copied=copied,
        settings=write_settings(settings_of_ends(request.cameras, request.broker), request.name, fleet_file),
        fleet_file=fleet_file,
    )


def _draft(
    looked: LookedInto, request: DraftRequest
) -> tuple[Draft | None, tuple[OpenQuestion, ...], Mapping[str, str]]:
    """The recipe, or the questions that keep it from being one; and what is assumed."""
    answers = Answers(given=request.answers)
    labels = _read_labels(request.answers.get(LABELS.key, ""))
    picture = draft_picture(looked.facts, looked.says, answers)
    head = recognise_head(looked.facts, looked.says, answers, labels)
    precision, threshold = answers.of(PRECISION), _threshold(answers.of(THRESHOLD))
    if picture is None or head is None or answers.open:
        return None, tuple(answers.open), answers.assumed
    cameras = request.cameras or (DraftEnd(name="camera"),)
    draft = Draft(
        name=request.name,
        onnx=name_in_recipe(looked.file),
        picture=picture,
        says=looked.says,
        head=head,
        precision=precision,
        threshold=threshold,
        calibration=bool(request.pictures),
        cameras=cameras,
        broker=request.broker,
    )
    return draft, (), answers.assumed


def _known(looked: LookedInto, draft: Draft, assumed: Mapping[str, str]) -> list[str]:
    facts, says, picture = looked.facts, looked.says, draft.picture
    (given,) = facts.inputs
    lines = [f"takes {given}, gives {', '.join(map(str, facts.outputs))}; opset {facts.opset}"]
    if not all(given.shape):
        shape = ", ".join(map(str, picture.tensor_shape))
        lines.append(f"open sizes become [{shape}] in the build")
    if says.program:
        wants = "RGB, 0..1, letterboxed" if says.answers else ""
        lines.append(f"exported by {says.program}, whose models want pictures so: {wants}")
    lines.append(f"a detector of YOLOv8's layout with {len(draft.head.labels)} classes: stage yolo")
    return [*lines, *(f"nobody said otherwise: {key} {value} (--set {key}=...)" for key, value in assumed.items())]


def _tensor(found: Tensor) -> TensorFacts:
    return TensorFacts(name=found.name, dtype=found.dtype, shape=found.shape)


def _read_labels(file: str) -> tuple[str, ...]:
    """Names of classes, one a line; none where no file is given."""
    if not file:
        return ()
    try:
        lines = read_bounded(Path(file), _MAX_LABELS_BYTES).decode("utf-8").splitlines()
    except UnicodeDecodeError:
        raise InputError(f"{file}: not UTF-8 text", hint="give the classes' names, one a line") from None
    labels = tuple(stripped for line in lines if (stripped := line.strip()))
    odd = next((label for label in labels if not is_label(label)), None)
    if odd is not None or not labels:
        what = f"{odd[:40]!r} is no class's name" if odd else "there is no name in it"
        raise InputError(f"{file}: {what}", hint="give the classes' names, one a line")
    return labels


def _threshold(text: str) -> float:
    try:
        found = float(text)
    except ValueError:
        found = 0.0
    if not 0 < found <= 1:
        raise InputError(f"threshold: {text!r} is no score", hint=THRESHOLD.option)
    return found
