"""Puts a target together: what its own file says, before the image's part, before the board's."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

from edgekit.errors import InputError
from edgekit.host.toml_file import read_toml
from edgekit.schema.problem import Problem, closest_of, raise_problems
from edgekit.schema.target import Accelerator, Recognise, TargetFile, TargetPart

T = TypeVar("T", Accelerator, Recognise)


def join_parts(written: TargetFile, file: Path, folders: Sequence[Path]) -> TargetFile:
    """Fill what a target's file leaves to its board and its image.

    Args:
        written: the target, as its file says it.
        file: that file, for messages.
        folders: where `boards/` and `images/` lie; the first that has a part counts.

    Raises:
        InputError: there is no such part (names the closest), or its file is wrong (names every mistake).
    """
    sayers: list[TargetFile | TargetPart] = [written, *map(_read_part, part_files(written, file, folders))]
    return dataclasses.replace(
        written,
        board="",
        image="",
        os=next((one.os for one in sayers if one.os), None),
        clusters=next((one.clusters for one in sayers if one.clusters), ()),
        memory=next((one.memory for one in sayers if one.memory), None),
        cgroup=next((one.cgroup for one in sayers if one.cgroup), None),
        accelerators=_accelerators([accelerator for one in sayers for accelerator in one.accelerators]),
        recognise=_joined([one.recognise for one in sayers]),
        notes=" ".join(one.notes for one in sayers if one.notes),
    )


def part_files(written: TargetFile, file: Path, folders: Sequence[Path]) -> tuple[Path, ...]:
    """The files of the image and the board that a target names. Arguments and errors: `join_parts`."""
    return tuple(
        _find_part(file, key, name, [folder / f"{key}s" for folder in folders])
        for key, name in (("image", written.image), ("board", written.board))
        if name
    )


def _find_part(file: Path, key: str, name: str, folders: Sequence[Path]) -> Path:
    for folder in folders:
        if (folder / f"{name}.toml").exists():
            return folder / f"{name}.toml"
    known = sorted({part.stem for folder in folders for part in folder.glob("*.toml")})
    expected, closest = f"there is no {key} {name!r}; known are {', '.join(known) or 'none'}", closest_of(name, known)
    problem = Problem(file=str(file), key=key, expected=expected, closest=closest)
    raise InputError(str(problem), hint="edgekit target list shows what there is; or write that part's file")


def _read_part(file: Path) -> TargetPart:
    part = read_toml(TargetPart, file)
    twice = kinds_twice(part.accelerators)
    raise_problems(Problem(file=str(file), key=key, expected=expected) for key, expected in twice)
    return part


def kinds_twice(accelerators: Sequence[Accelerator]) -> list[tuple[str, str]]:
    """Accelerators of one file whose kind it has before: key and what is wrong with it."""
    kinds = [accelerator.kind for accelerator in accelerators]
    return [
        (f"accelerators[{index}].kind", f"{kind!r} comes twice")
        for index, kind in enumerate(kinds)
        if kind in kinds[:index]
    ]


def _accelerators(written: Sequence[Accelerator]) -> tuple[Accelerator, ...]:
    """Those of one kind as one, in the order of the parts: the board's hardware has the last word on what there is."""
    kinds = dict.fromkeys(one.kind for one in written)
    return tuple(_joined([one for one in written if one.kind == kind]) for kind in kinds)


def _joined(parts: Sequence[T]) -> T:
    """Of each key, what the first says that says anything."""
    first = parts[0]
    values: dict[str, Any] = {
        field.name: next(
            (value for one in parts if (value := getattr(one, field.name)) != field.default), field.default
        )
        for field in dataclasses.fields(first)
        if field.default is not dataclasses.MISSING
    }
    return dataclasses.replace(first, **values)
