"""Puts a target together: what its own file says, before the image's part, before the board's."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

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
    parts = [
        _read_part(file, key, name, [folder / f"{key}s" for folder in folders])
        for key, name in (("image", written.image), ("board", written.board))
        if name
    ]
    sayers: list[TargetFile | TargetPart] = [written, *parts]
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


def _read_part(file: Path, key: str, name: str, folders: Sequence[Path]) -> TargetPart:
    found = next((part for folder in folders if (part := folder / f"{name}.toml").exists()), None)
    if found is None:
        known = sorted({part.stem for folder in folders for part in folder.glob("*.toml")})
        expected = f"there is no {key} {name!r}; known are {', '.join(known) or 'none'}"
        raise_problems([Problem(file=str(file), key=key, expected=expected, closest=closest_of(name, known))])
    assert found is not None
    read = read_toml(TargetPart, found)
    twice = kinds_twice(read.accelerators)
    raise_problems(Problem(file=str(found), key=where, expected=expected) for where, expected in twice)
    return read


def kinds_twice(accelerators: Sequence[Accelerator]) -> list[tuple[str, str]]:
    """Accelerators of one file whose kind it has before: key and what is wrong with it."""
    kinds = [accelerator.kind for accelerator in accelerators]
    return [
        (f"accelerators[{index}].kind", f"{kind!r} comes twice")
        for index, kind in enumerate(kinds)
        if kind in kinds[:index]
    ]


def _accelerators(said: Sequence[Accelerator]) -> tuple[Accelerator, ...]:
    """Those of one kind as one, in the order of the parts: the board's hardware has the last word on what there is."""
    kinds = dict.fromkeys(one.kind for one in said)
    return tuple(_joined([one for one in said if one.kind == kind]) for kind in kinds)


def _joined(said: Sequence[T]) -> T:
    """Of each key, what the first says that says anything."""
    first = said[0]
    values: dict[str, Any] = {
        field.name: next((value for one in said if (value := getattr(one, field.name)) != field.default), field.default)
        for field in dataclasses.fields(first)
        if field.default is not dataclasses.MISSING
    }
    return dataclasses.replace(first, **values)
