"""What the fields of schema dataclasses may be typed as, taken apart and put into words.

Types a file or message can hold: dataclasses, text, numbers, truth values, `Literal`, `tuple[X, ...]`, `dict[str, X]`,
`X | None`, `Any`, sizes and CPU lists, each with bounds in `Annotated`; and unions of dataclasses that a `kind` tells
apart.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import types
import typing
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from edgekit.schema.units import CPU_LIST_WORDS, CPUS_WORDS, Bytes, CpuList, Cpus, SmallestUnit

TAG = "kind"
"""The key that tells the members of a union of dataclasses apart."""
PLAIN: dict[object, str] = {str: "text", int: "a whole number", float: "a number", bool: "true or false"}
"""The simple types in words."""
ALLOWED = "use str, int, float, bool, Literal, tuple[X, ...], list[X], dict[str, X], X | None or a dataclass"
_WORDS: dict[object, str] = {**PLAIN, Bytes: 'a size such as "400MiB"', Cpus: CPUS_WORDS, CpuList: CPU_LIST_WORDS}


@functools.cache
def hints(cls: type) -> dict[str, Any]:
    """The resolved field types of a schema dataclass, bounds included."""
    return typing.get_type_hints(cls, include_extras=True)


@functools.cache
def fields_of(cls: type) -> dict[str, dataclasses.Field[Any]]:
    """The fields of a schema dataclass by name."""
    return {field.name: field for field in dataclasses.fields(cls)}


def is_required(field: dataclasses.Field[Any]) -> bool:
    """Whether a field has no default."""
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING


def bounds_of(kind: Any) -> tuple[Any, tuple[Any, ...]]:
    """A type without its bounds, and the bounds."""
    return (get_args(kind)[0], get_args(kind)[1:]) if get_origin(kind) is Annotated else (kind, ())


@dataclasses.dataclass(frozen=True, slots=True)
class FieldType:
    """A field of a table, or an entry of a list, taken apart once: messages of a thousand entries are read by it."""

    full: Any
    """Its type as it is written."""
    kind: Any
    """Without its bounds."""
    bounds: tuple[Any, ...]
    is_plain: bool
    """One of `PLAIN`."""

    @classmethod
    def of(cls, full: Any) -> FieldType:
        """Take a type apart."""
        kind, bounds = bounds_of(full)
        return cls(full=full, kind=kind, bounds=bounds, is_plain=any(kind is plain for plain in PLAIN))


@functools.cache
def types_of(cls: type) -> dict[str, tuple[FieldType, bool]]:
    """The fields of a schema dataclass by name, and whether each is required."""
    return {name: (FieldType.of(hints(cls)[name]), is_required(field)) for name, field in fields_of(cls).items()}


@functools.cache
def _members(cls: type) -> dict[str, type]:
    if get_origin(hints(cls).get(TAG)) is not Literal:
        return {}
    return dict.fromkeys(get_args(hints(cls)[TAG]), cls)


def tagged(kinds: tuple[Any, ...]) -> dict[str, type]:
    """The members of a union of dataclasses by their `kind`; nothing where they have none."""
    found = [_members(kind) if isinstance(kind, type) else {} for kind in kinds]
    return {name: kind for members in found for name, kind in members.items()} if all(found) else {}


def describe(kind: Any) -> str:
    """A type in words, for messages."""
    kind, bounds = bounds_of(kind)
    origin, arguments = get_origin(kind), get_args(kind)
    if any(isinstance(bound, SmallestUnit) for bound in bounds):
        return " ".join(bound.words for bound in bounds)
    if kind is str and bounds:
        return str(bounds[0].words)
    plain = _WORDS.get(kind, "a table")
    if origin is Literal:
        plain = one_of(arguments)
    elif origin in (Union, types.UnionType):
        plain = either(arguments)
    elif origin in (tuple, list):
        plain = f"a list, each entry {describe(arguments[0])}"
    return ", ".join([plain, *(bound.words for bound in bounds)])


def either(kinds: tuple[Any, ...]) -> str:
    """The members of a union in words."""
    words = dict.fromkeys(describe(kind) for kind in kinds if kind is not type(None))
    return (", or " if any(", " in one for one in words) else " or ").join(words)


def one_of(choices: tuple[Any, ...]) -> str:
    """The values of a closed choice in words."""
    return ("one of " if len(choices) > 1 else "") + ", ".join(json.dumps(choice) for choice in choices)


def written_as(kind: Any) -> tuple[type, ...]:
    """The Python types of what TOML and JSON give for a type that stands in a union."""
    kind = bounds_of(kind)[0]
    if kind is CpuList:
        return (str, list, tuple)
    if get_origin(kind) in (tuple, list):
        return (list, tuple)
    if get_origin(kind) is Literal:
        return tuple({type(choice) for choice in get_args(kind)})
    return {str: (str,), bool: (bool,), int: (int, float), float: (int, float)}.get(kind, (dict,))


def fields_below(kind: Any) -> tuple[str, ...]:
    """Keys of a table that is a field of its own."""
    kind = bounds_of(kind)[0]
    parts = [part for part in get_args(kind) or (kind,) if dataclasses.is_dataclass(part)]
    below = parts[0] if len(parts) == 1 and get_origin(kind) is not tuple and get_origin(kind) is not dict else None
    return tuple(field.name for field in dataclasses.fields(below)) if below is not None else ()
