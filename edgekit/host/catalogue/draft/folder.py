"""Writes a drafted recipe's folder, or nothing: recipe.toml, the model, calibration pictures and golden frames."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import cv2

from edgekit.errors import InputError
from edgekit.host.catalogue.template import new_recipe_folder
from edgekit.imaging.picture_file import read_picture_file
from edgekit.schema.manifest import is_safe_path
from edgekit.schema.source import PICTURE_SUFFIXES

PICTURES, GOLDEN = "pictures", "golden"
"""Folders in the recipe's."""
LABELS_FILE = "labels.txt"
_MOST_PICTURES = 64
"""Copied: int8's ranges change little with more, and each of them costs a run in every verification."""
_MOST_GOLDEN = 4
_PLAIN_NAME = "model.onnx"


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftFiles:
    """What a recipe's folder is made of."""

    text: str
    """recipe.toml."""
    model: Path
    onnx: str
    """Its name there."""
    beside: tuple[str, ...] = ()
    """Files in the model's folder that hold weights of it."""
    pictures: tuple[Path, ...] = ()
    labels: Path | None = None
    """Names of the classes; None: the model has them."""


def name_in_recipe(model: Path) -> str:
    """The model's name in the recipe's folder: its own, where that can travel."""
    return model.name if is_safe_path(model.name) and model.suffix == ".onnx" else _PLAIN_NAME


def choose_pictures(folder: Path) -> tuple[Path, ...]:
    """Pictures of a folder, at most 64 of them, evenly spread over their names.

    Raises:
        InputError: it is no folder, or there is no picture in it.
    """
    if not folder.is_dir():
        raise InputError(
            f"{folder} is no folder", hint="--pictures FOLDER, with PNG or JPEG files of your cameras in it"
        )
    found = sorted(file for file in folder.iterdir() if file.suffix.lower() in PICTURE_SUFFIXES and file.is_file())
    if not found:
        raise InputError(f"there is no picture in {folder}", hint="put PNG or JPEG files of your cameras into it")
    return _spread(found, _MOST_PICTURES)


def write_folder(files: DraftFiles, name: str, parent: Path) -> tuple[Path, tuple[str, ...]]:
    """Write a recipe's folder under its name; all of it or nothing.

    Returns:
        The folder, and the files in it but recipe.toml, in the order in which they were made.

    Raises:
        InputError: the name is none, the folder is taken or cannot be written, or a picture cannot be read.
    """
    with new_recipe_folder(name, parent) as (aside, made):
        aside.mkdir()
        (aside / "recipe.toml").write_text(files.text, encoding="utf-8")
        copied = _copy_model(files, aside)
        if files.labels is not None:
            shutil.copyfile(files.labels, aside / LABELS_FILE)
            copied.append(LABELS_FILE)
        copied += _copy_pictures(files.pictures, aside)
        copied += _make_golden(_spread(files.pictures, _MOST_GOLDEN), aside)
    return made, tuple(copied)


def _copy_model(files: DraftFiles, folder: Path) -> list[str]:
    shutil.copyfile(files.model, folder / files.onnx)
    for name in files.beside:
        if not is_safe_path(name) or name in ("recipe.toml", LABELS_FILE):
            raise InputError(f"{files.model} keeps weights in a file named {name!r}", hint="export it as one file")
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(files.model.parent / name, folder / name)
    return [files.onnx, *files.beside]


def _copy_pictures(pictures: tuple[Path, ...], folder: Path) -> list[str]:
    copied = []
    for index, file in enumerate(pictures):
        (folder / PICTURES).mkdir(exist_ok=True)
        name = f"{PICTURES}/{index:03}{file.suffix.lower()}"
        shutil.copyfile(file, folder / name)
        copied.append(name)
    return copied


def _make_golden(pictures: tuple[Path, ...], folder: Path) -> list[str]:
    """Some pictures as PNG: a JPEG is not the same pixels with every decoder."""
    made: list[str] = []
    for file in pictures:
        (folder / GOLDEN).mkdir(exist_ok=True)
        done, data = cv2.imencode(".png", read_picture_file(file).pixels)
        assert done, "PNG takes any picture of 8 bit"
        name = f"{GOLDEN}/frame-{len(made):03}.png"
        (folder / name).write_bytes(data.tobytes())
        made.append(name)
    return made


def _spread(files: list[Path] | tuple[Path, ...], most: int) -> tuple[Path, ...]:
    """At most so many of them, evenly."""
    count = min(most, len(files))
    return tuple(files[len(files) * index // count] for index in range(count))
