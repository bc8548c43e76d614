"""Drafts a recipe for a user's own model: looks into it, tells what has to be asked, writes recipe and settings."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from edgekit.errors import InputError
from edgekit.host.catalogue.draft.ends import DraftEnd, parse_broker, parse_cameras
from edgekit.host.catalogue.draft.exporter import ExporterSays, read_metadata
from edgekit.host.catalogue.draft.facts import InputFacts
from edgekit.host.catalogue.draft.fleet_text import WrittenSettings, settings_of_ends, write_settings
from edgekit.host.catalogue.draft.folder import LABELS_FILE, DraftFiles, choose_pictures, name_in_recipe, write_folder
from edgekit.host.catalogue.draft.head import draft_head
from edgekit.host.catalogue.draft.picture import draft_picture
from edgekit.host.catalogue.draft.question import (
    LABELS,
    PRECISION,
    SURE,
    THRESHOLD,
    Answers,
    OpenQuestion,
    parse_answers,
)
from edgekit.host.catalogue.draft.text import Draft, recipe_text
from edgekit.host.catalogue.labels import read_labels
from edgekit.host.catalogue.recipes import read_recipe
from edgekit.host.catalogue.targets import find_target
from edgekit.host.engine.bench import INSPECTION
from edgekit.host.engine.inspection.asking import inspect_network
from edgekit.host.engine.inspection.messages import ModelQuestion
from edgekit.host.engine.inspection.models import inspect_model
from edgekit.host.engine.model.onnx_model import OnnxModel, Tensor
from edgekit.host.workflow.engines import engine_bench
from edgekit.host.workflow.heads import facts_of
from edgekit.host.workflow.workstation import Workstation
from edgekit.schema.fleet import HOST
from edgekit.schema.heads.facts import names_in
from edgekit.schema.heads.layout import HeadLayout
from edgekit.schema.recipe import ColourContract, Model


@dataclass(frozen=True, slots=True, kw_only=True)
class LookedInto:
    """A user's model, as far as its file tells."""

    file: Path
    onnx: OnnxModel
    says: ExporterSays
    beside: tuple[str, ...]
    """Files in its folder that hold weights of it."""
    station: Workstation
    """Prepares it, once the size of its picture is known."""


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
    says = read_metadata(found.onnx.metadata)
    return LookedInto(file=file, onnx=found.onnx, says=says, beside=found.beside, station=station)


def open_questions(looked: LookedInto, request: DraftRequest) -> tuple[OpenQuestion, ...]:
    """What has to be answered before a recipe can be written.

    Raises:
        InputError: no recipe can be written for this model, or an answer is none.
        EngineError: it cannot be prepared or run.
    """
    answers = Answers(given=request.answers)
    _draft(looked, request, answers)
    return tuple(answers.open)


def write_draft(looked: LookedInto, request: DraftRequest) -> DraftedRecipe:
    """Write a recipe and its settings.

    Raises:
        InputError: questions are open, each named with its option; or something cannot be read or written.
        EngineError: the model cannot be prepared or run.
    """
    answers = Answers(given=request.answers)
    draft = _draft(looked, request, answers)
    if draft is None:
        told = "\n".join(f"  {question.option}   {question.about}" for question in answers.open)
        raise InputError(
            f"{looked.file} does not say all that a recipe needs:\n{told}",
            hint=f"answer with {answers.open[0].option.partition('|')[0]}, and so on; on a terminal you are asked",
        )
    if draft.precision == "int8" and not request.pictures:
        hint = "--pictures FOLDER, or --set precision=float16"
        raise InputError("int8 gets its ranges from pictures, and none are given", hint=hint)
    files = DraftFiles(
        text=recipe_text(draft),
        model=looked.file,
        onnx=draft.onnx,
        beside=looked.beside,
        pictures=request.pictures,
        labels=Path(request.answers[LABELS.key]) if draft.labels_file else None,
    )
    path, copied = write_folder(files, request.name, request.parent)
    fleet_file = looked.station.settings.fleet_file
    try:
        read_recipe(path)
        settings = write_settings(settings_of_ends(request.cameras, request.broker), request.name, fleet_file)
    except BaseException:  # else the next try finds a folder of that name
        shutil.rmtree(path, ignore_errors=True)
        raise
    return DraftedRecipe(
        name=request.name,
        path=path,
        known=tuple(_known(looked, draft, answers)),
        copied=copied,
        settings=settings,
        fleet_file=fleet_file,
    )


def _draft(looked: LookedInto, request: DraftRequest, answers: Answers) -> Draft | None:
    """The recipe; None where questions keep it from being one."""
    given = request.answers.get(LABELS.key, "")
    labels = read_labels(Path(given)) if given else names_in(looked.onnx.metadata)
    picture = draft_picture(tuple(map(_input, looked.onnx.inputs)), looked.says, answers)
    layout = None
    if picture is not None:
        facts = facts_of(*_as_built(looked, picture), classes=len(labels) or None)
        layout = draft_head(facts, answers, str(looked.file))
    precision = answers.of(PRECISION)
    if picture is None or layout is None or answers.open:
        return None
    return Draft(
        name=request.name,
        onnx=name_in_recipe(looked.file),
        picture=picture,
        layout=layout,
        labels=labels,
        labels_file=LABELS_FILE if given else "",
        precision=precision,
        threshold=_threshold(layout, answers),
        calibration=bool(request.pictures),
        cameras=request.cameras or (DraftEnd(name="camera"),),
        broker=request.broker,
    )


def _as_built(looked: LookedInto, picture: ColourContract) -> tuple[OnnxModel, Model]:
    """The model as a build prepares it, run once: all of its sizes are known."""
    model = Model(onnx=name_in_recipe(looked.file), input=picture)
    asked = ModelQuestion(path=str(looked.file), name="net", model=model, backend="onnxruntime", pictures=())
    station = looked.station
    return inspect_model(asked, engine_bench(station, find_target(HOST, station.settings))).found.onnx, model


def _known(looked: LookedInto, draft: Draft, answers: Answers) -> list[str]:
    model, picture, layout = looked.onnx, draft.picture, draft.layout
    (given,) = model.inputs
    lines = [f"takes {given}, gives {', '.join(map(str, model.outputs))}; opset {model.opset}"]
    if not all(given.shape):
        shape = ", ".join(map(str, picture.tensor_shape))
        lines.append(f"open sizes become [{shape}] in the build")
    if looked.says.program:
        wanted = ", ".join(looked.says.answers.values())
        lines.append(f"exported by {looked.says.program}, whose models want pictures so: {wanted}")
    names, head = "signs" if layout.kind == "read" else "classes", f", head {layout.head}" if layout.head else ""
    lines.append(f"{len(draft.labels)} {names}; {layout.words}: stage {layout.kind}{head}")
    assumed = answers.assumed.items()
    return [*lines, *(f"nobody said otherwise: {key} {value} (--set {key}=...)" for key, value in assumed)]


def _input(found: Tensor) -> InputFacts:
    return InputFacts(name=found.name, dtype=found.dtype, shape=found.shape)


def _threshold(layout: HeadLayout, answers: Answers) -> float:
    if layout.kind == "segment":
        return 0.0
    text = answers.of(THRESHOLD if layout.kind == "detect" else SURE)
    try:
        found = float(text)
    except ValueError:
        found = 0.0
    if not 0 < found <= 1:
        raise InputError(f"threshold: {text!r} is no score", hint=THRESHOLD.option)
    return found
