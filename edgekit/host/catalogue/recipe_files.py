"""What must hold between a recipe and the files in its folder: they are there, and say what they must say."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Callable, Container, Iterator
from itertools import islice
from pathlib import Path

from edgekit.errors import InputError
from edgekit.host.catalogue.own_code import check_own_code
from edgekit.schema.detection import Detection
from edgekit.schema.manifest import is_safe_path
from edgekit.schema.problem import Problem, closest_of
from edgekit.schema.reader import problems_in
from edgekit.schema.recipe import Golden, Recipe
from edgekit.schema.sink import MqttSink, ScoreSink, WebhookSink
from edgekit.schema.source import PICTURE_SUFFIXES, FileSource, ImagesSource
from edgekit.schema.stages.detect import DetectStage
from edgekit.schema.stages.labels import LabelOptions
from edgekit.schema.truth import read_truth

_CURES = {"golden.expected": "; `edgekit golden {folder} --write` makes it from the model"}
"""What writes a file that a key names."""
_WRITES_ANSWERS = "`edgekit golden RECIPE --write` writes it from the model"
_MAX_LISTED = 2000
_MAX_JSON_BYTES = 64 << 20


def carried_files(folder: Path, recipe: Recipe) -> Iterator[tuple[str, str]]:
    """Key and path of every file that the device reads itself. A folder without pictures is one path: its own."""
    for name, source in recipe.pipeline.sources.items():
        key = f"pipeline.sources.{name}.path"
        match source:
            case FileSource():
                yield key, source.path
            case ImagesSource():
                yield from ((key, path) for path in _pictures_in(folder, source.path) or [source.path])
    for name, stage in recipe.pipeline.stages.items():
        if isinstance(stage, DetectStage) and stage.options.priors is not None:
            yield f"pipeline.stages.{name}.options.priors", stage.options.priors
    for name, sink in recipe.pipeline.sinks.items():
        if isinstance(sink, ScoreSink):
            yield f"pipeline.sinks.{name}.path", sink.path
        if isinstance(sink, (MqttSink, WebhookSink)) and sink.ca_file is not None:
            yield f"pipeline.sinks.{name}.ca_file", sink.ca_file
    if recipe.golden:
        yield "golden.expected", recipe.golden.expected
        for index, frame in enumerate(recipe.golden.frames):
            yield f"golden.frames[{index}]", frame


def label_files(recipe: Recipe) -> Iterator[tuple[str, str]]:
    """Key and path of every file with names of classes: the build reads them, and they do not travel."""
    for name, stage in recipe.pipeline.stages.items():
        options = stage.options
        if isinstance(options, LabelOptions) and options.labels_file is not None:
            yield f"pipeline.stages.{name}.options.labels_file", options.labels_file


def _pictures_in(folder: Path, path: str) -> list[str]:
    """Paths of a folder's pictures, sorted."""
    if not is_safe_path(path) or not (folder / path).is_dir():
        return []
    there = sorted(file.name for file in (folder / path).iterdir() if file.suffix.lower() in PICTURE_SUFFIXES)
    return [f"{path}/{name}" for name in there]


def check_files(folder: Path, recipe: Recipe, file: str, unwritten: Container[str] = ()) -> list[Problem]:
    """Every mistake between recipe.toml and the files beside it.

    Args:
        folder: the recipe's.
        recipe: checked against the schema.
        file: recipe.toml, for messages.
        unwritten: keys whose files the caller is about to write: they need not be there.
    """
    there = _Listing(folder)
    problems = [*_check_named(there, recipe, file, unwritten)]
    missed = {problem.key.partition("[")[0] for problem in problems}
    problems += _check_calibration(there, recipe, file)
    for key, path, check in _contents(recipe):
        if key not in missed and key not in unwritten and not (key.startswith("golden.") and "golden.frames" in missed):
            problems += check(folder / path, Problem(file=file, key=key, expected=""))
    return [*problems, *check_own_code(folder, recipe, file)]


class _Listing:
    """A recipe's folder, and what lies in it; listed when something is missed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def fault(self, path: str) -> str:
        """What is wrong with a path, or nothing."""
        if not is_safe_path(path):
            return f"expected a path inside the recipe's folder, found {path!r}"
        found = Path(os.path.realpath(self.folder / path))
        if not found.is_relative_to(os.path.realpath(self.folder)):
            return f"{path} leads out of the recipe's folder"
        if not found.exists():
            return missing(path)
        return "" if found.is_file() else f"{path} is not a file"

    def files(self) -> list[str]:
        """Paths of what is there: a first part of it, where there is very much."""
        found = (path for path in self.folder.rglob("*") if path.is_file())
        return [path.relative_to(self.folder).as_posix() for path in islice(found, _MAX_LISTED)]

    def no_pictures(self, pattern: str, at: Problem) -> Problem:
        """A pattern that names nothing, with what it may have meant: the folder's pictures, or a folder much alike."""
        paths = [Path(name) for name in self.files()]
        pictures = sorted({(path.parent, path.suffix) for path in paths if path.suffix.lower() in PICTURE_SUFFIXES})
        parent = Path(pattern).parent
        near = closest_of(parent, {folder for folder, _ in pictures})
        closest = next(((folder / f"*{suffix}").as_posix() for folder, suffix in pictures if str(folder) == near), "")
        listed = ", ".join(f"{folder}/*{suffix}" for folder, suffix in pictures[:8]) or "none"
        known = "" if closest else f"; pictures here: {listed}"
        return dataclasses.replace(at, expected=f"{pattern} names no file{known}", closest=closest)


def missing(path: str) -> str:
    """Names a file that is not there."""
    return f"{path} is not there"


def _check_named(there: _Listing, recipe: Recipe, file: str, unwritten: Container[str]) -> Iterator[Problem]:
    read = [(f"models.{name}.onnx", model.onnx) for name, model in recipe.models.items()]
    read += label_files(recipe)
    sources = recipe.pipeline.sources.items()
    folders = {f"pipeline.sources.{name}.path" for name, source in sources if isinstance(source, ImagesSource)}
    for key, path in (*carried_files(there.folder, recipe), *read):
        fault = there.fault(path)
        if key in folders and (there.folder / path).is_dir():
            fault = f"there is no picture in {path}: put PNG or JPEG files into it"
        absent = fault == missing(path)
        if not fault or (absent and key in unwritten):
            continue
        cure = _CURES.get(key, "").format(folder=there.folder)
        closest = closest_of(path, there.files()) if absent and not cure else ""
        yield Problem(file=file, key=key, expected=fault + cure, closest=closest)


def _check_calibration(there: _Listing, recipe: Recipe, file: str) -> Iterator[Problem]:
    for name, model in recipe.models.items():
        for index, pattern in enumerate(model.calibration):
            if is_safe_path(pattern) and any(path.is_file() for path in there.folder.glob(pattern)):
                continue
            yield there.no_pictures(pattern, Problem(file=file, key=f"models.{name}.calibration[{index}]", expected=""))


Check = Callable[[Path, Problem], Iterator[Problem]]
"""Reads a file, and says where in it, or at which key, something is wrong."""


def _contents(recipe: Recipe) -> Iterator[tuple[str, str, Check]]:
    """Key and path of every file whose content is known, and what checks it."""
    for name, sink in recipe.pipeline.sinks.items():
        if isinstance(sink, ScoreSink):
            yield f"pipeline.sinks.{name}.path", sink.path, _check_truth
    if (golden := recipe.golden) is not None:
        yield "golden.expected", golden.expected, lambda path, at: _check_answers(golden, path, at)


def _check_truth(path: Path, at: Problem) -> Iterator[Problem]:
    try:
        read_truth(_read(path), path.name)
    except InputError as error:
        yield dataclasses.replace(at, expected=f"{error.message}; {error.hint}")


def _check_answers(golden: Golden, path: Path, at: Problem) -> Iterator[Problem]:
    try:
        answers = json.loads(_read(path))
    except (InputError, ValueError, RecursionError) as error:
        yield dataclasses.replace(at, expected=f"{golden.expected} is not JSON: {error}; {_WRITES_ANSWERS}")
        return
    for problem in problems_in(dict[str, tuple[Detection, ...]], answers, str(path)):
        whole = "" if problem.key else f"; {_WRITES_ANSWERS}"
        yield dataclasses.replace(problem, expected=problem.expected + whole)
    names = [frame.rpartition("/")[2] for frame in golden.frames]
    lacking = [name for name in names if isinstance(answers, dict) and name not in answers]
    if lacking:
        expected = f"{golden.expected} has no answer for {', '.join(lacking)}; {_WRITES_ANSWERS}"
        yield dataclasses.replace(at, expected=expected)


def _read(path: Path) -> bytes:
    """A file, bounded. Raises InputError."""
    try:
        with path.open("rb") as opened:
            content = opened.read(_MAX_JSON_BYTES + 1)
    except OSError as error:
        raise InputError(f"{path.name} cannot be read: {error.strerror}", hint=f"ls -l {path}") from None
    if len(content) > _MAX_JSON_BYTES:
        raise InputError(f"{path.name} is larger than {_MAX_JSON_BYTES >> 20} MiB", hint=f"ls -l {path}")
    return content
