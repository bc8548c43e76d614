"""Turns TOML and JSON into the schema's dataclasses: strict keys, strict types, every mistake at once.

Pure: callers read the files and pass text in. Of the standard library only, because the keeper uses it too.

Types it knows: dataclasses, text, numbers, truth values, `Literal`, `tuple[X, ...]`, `dict[str, X]`, `X | None`, `Any`,
sizes and CPU lists, each with bounds in `Annotated`; and unions of dataclasses that a `kind` tells apart.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import math
import types
import typing
from collections.abc import Iterable
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

from edgekit.errors import InputError
from edgekit.schema.problem import Problem, closest_of, join_key, raise_problems, shown
from edgekit.schema.units import (
    CPUS_WORDS,
    Bytes,
    CpuList,
    Cpus,
    SmallestUnit,
    parse_bytes,
    parse_cpu_list,
    parse_cpus,
)

T = TypeVar("T")

TAG = "kind"
"""The key that tells the members of a union of dataclasses apart."""
_NAMES: dict[object, str] = {str: "text", int: "a whole number", float: "a number", bool: "true or false"}
_WORDS: dict[object, str] = {**_NAMES, Bytes: 'a size such as "400MiB"', Cpus: CPUS_WORDS, CpuList: CPUS_WORDS}
_HELD = "use str, int, float, bool, Literal, tuple[X, ...], list[X], dict[str, X], X | None or a dataclass"
_MAX_FLOAT = 2**1023
_MAX_DEPTH = 64


def from_toml(cls: type[T], text: str, file: str) -> T:
    """Read a TOML text as `cls`. Raises InputError with every mistake, each led by `file` and its key."""
    # Imported here: the keeper reads no TOML, and on Python 3.10 it has no tomli.
    from edgekit.schema.toml import parse_toml  # noqa: PLC0415

    return from_raw(cls, parse_toml(text, file), file)


def from_json(cls: type[T], text: str | bytes, file: str) -> T:
    """Read a JSON text, which programs write, as `cls`. Raises InputError as `from_toml` does."""
    hint = "use the same edgekit on both sides, and write it again"
    try:
        raw = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{file}: not JSON: {error}", hint=hint) from None
    return from_raw(cls, raw, file, hint=hint)


def from_raw(cls: type[T], raw: object, file: str, *, key: str = "", hint: str = "") -> T:
    """Read parsed TOML or JSON as `cls`; `key` is its path in the file, where it is not the whole of it."""
    reading = _Reading(file)
    value = reading.begin(cls, raw, key)
    raise_problems(reading.problems, hint=hint)
    return typing.cast(T, value)


def problems_in(cls: type, raw: object, file: str, *, key: str = "") -> tuple[Problem, ...]:
    """What `from_raw` would refuse."""
    reading = _Reading(file)
    reading.begin(cls, raw, key)
    return tuple(reading.problems)


def _is_deep(raw: object) -> bool:
    """Whether tables and lists are nested past what any reader here can follow: Pythons differ in how far they get."""
    level = [raw]
    for _ in range(_MAX_DEPTH):
        level = [item for value in level for item in _items(value)]
        if not level:
            return False
    return True


def _items(value: object) -> Iterable[object]:
    match value:
        case dict():
            return value.values()
        case list():
            return value
    return ()


def to_raw(value: object) -> Any:
    """The plain dicts and lists of a dataclass; None, empty text and empty collections stay."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: to_raw(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {str(key): to_raw(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_raw(item) for item in value]
    return value


def to_json(value: object) -> bytes:
    """Canonical JSON, the same bytes for the same value: sorted keys, two-space indent, newline at the end."""
    return (json.dumps(to_raw(value), indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n").encode()


def to_line(value: object) -> bytes:
    """The same on one line, for protocols and logs."""
    return (json.dumps(to_raw(value), separators=(",", ":"), ensure_ascii=False, allow_nan=False) + "\n").encode()


@functools.cache
def hints(cls: type) -> dict[str, Any]:
    """The resolved field types of a schema dataclass, bounds included."""
    return typing.get_type_hints(cls, include_extras=True)


def bounds_of(kind: Any) -> tuple[Any, tuple[Any, ...]]:
    """A type without its bounds, and the bounds."""
    return (get_args(kind)[0], get_args(kind)[1:]) if get_origin(kind) is Annotated else (kind, ())


def tagged(kinds: tuple[Any, ...]) -> dict[str, type]:
    """The members of a union of dataclasses by their `kind`; nothing where they have none."""
    if not all(isinstance(kind, type) and get_origin(hints(kind).get(TAG)) is Literal for kind in kinds):
        return {}
    return {name: kind for kind in kinds for name in get_args(hints(kind)[TAG])}


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
        plain = _one_of(arguments)
    elif origin in (Union, types.UnionType):
        plain = _either(arguments)
    elif origin in (tuple, list):
        plain = f"a list, each entry {describe(arguments[0])}"
    return ", ".join([plain, *(bound.words for bound in bounds)])


def _either(kinds: tuple[Any, ...]) -> str:
    words = dict.fromkeys(describe(kind) for kind in kinds if kind is not type(None))
    return (", or " if any(", " in one for one in words) else " or ").join(words)


class _Reading:
    """One reading of one file: what is wrong gathers in `problems`, and None stands in for what could not be read."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.problems: list[Problem] = []

    def begin(self, kind: Any, raw: Any, path: str) -> Any:
        """Read the whole of what there is."""
        if _is_deep(raw):
            return self.note(path, f"nested too deep: at most {_MAX_DEPTH}")
        return self.read(kind, raw, path)

    def read(self, full: Any, raw: Any, path: str) -> Any:
        """Read `raw` as a type; on a mistake note it and return None."""
        kind, bounds = bounds_of(full)
        if kind in (Bytes, Cpus, CpuList):
            return self._special(kind, raw, path, bounds)
        before = len(self.problems)
        value = self._plain(full, raw, path) if kind in _NAMES else self._unbounded(kind, raw, path)
        for bound in bounds if len(self.problems) == before else ():
            if not bound.admits(value):
                what = len(value) if isinstance(value, (tuple, dict)) else shown(raw)
                self.note(path, f"expected {bound.words}, found {what}")
        return value

    def note(self, path: str, expected: str, closest: str = "") -> None:
        """One mistake more."""
        self.problems.append(Problem(file=self.file, key=path, expected=expected, closest=closest))

    def _wrong(self, kind: Any, raw: Any, path: str) -> None:
        self.note(path, f"expected {describe(kind)}, found {shown(raw)}")

    def _unbounded(self, kind: Any, raw: Any, path: str) -> Any:
        if kind is Any or kind is object:
            return self._anything(raw, path)
        if dataclasses.is_dataclass(kind):
            members = tagged((kind,))
            return self._tagged(members, raw, path) if members else self._table(typing.cast(type, kind), raw, path)
        origin = get_origin(kind)
        if origin is Literal:
            return self._choice(get_args(kind), raw, path)
        if origin in (Union, types.UnionType):
            return self._union(get_args(kind), raw, path)
        if origin is tuple:
            return self._list(get_args(kind)[0], raw, path)
        if origin is list:
            return self._list(get_args(kind)[0], raw, path, list)
        if origin is dict:
            return self._dict(get_args(kind), raw, path)
        return self.note(path, f"is of type {kind}, which no file can hold: {_HELD}")

    def _plain(self, full: Any, raw: Any, path: str) -> Any:
        """A text, number or truth value. 2 counts as 2.0 and 2.0 as 2; nothing else is taken for another."""
        kind = bounds_of(full)[0]
        if kind is float and type(raw) is int and abs(raw) <= _MAX_FLOAT:
            return float(raw)
        if kind is int:
            raw = _whole(raw)
        if type(raw) is kind and _is_writable(raw):
            return raw
        return self._wrong(full, raw, path)

    def _special(self, kind: Any, raw: Any, path: str, bounds: tuple[Any, ...]) -> Any:
        """A size or CPU list, whose bounds belong to how it is written."""
        raw = [_whole(item) for item in raw] if isinstance(raw, (list, tuple)) else _whole(raw)
        try:
            if kind is Bytes:
                return parse_bytes(raw, *bounds)
            return parse_cpus(raw) if kind is Cpus else parse_cpu_list(raw)
        except ValueError as error:
            self.note(path, f"expected {error}, found {shown(raw)}")
            return None

    def _anything(self, raw: Any, path: str) -> Any:
        """What another part checks. It must be what JSON can say: TOML has dates and infinities too."""
        if isinstance(raw, dict):
            return self._dict((str, Any), raw, path)
        if isinstance(raw, (list, tuple)):
            return [self._anything(item, f"{path}[{index}]") for index, item in enumerate(raw)]
        if raw is None or (type(raw) in _NAMES and _is_writable(raw)):
            return raw
        self.note(path, f"expected a text, number, true, false, list or table, found {shown(raw)}")
        return None

    def _table(self, cls: type, raw: Any, path: str, siblings: tuple[type, ...] = ()) -> Any:
        if not isinstance(raw, dict):
            return self._wrong(cls, raw, path)
        fields = {field.name: field for field in dataclasses.fields(cls)}
        before = len(self.problems)
        meant = {self._unknown(cls, key, raw, path, siblings) for key in raw if key not in fields}
        values: dict[str, Any] = {}
        kinds, prefix = hints(cls), f"{path}." if path else ""
        for name, field in fields.items():
            if name in raw:
                values[name] = self.read(kinds[name], raw[name], prefix + name)
            elif _is_required(field) and name not in meant:
                self.note(prefix + name, f"missing; expected {describe(kinds[name])}")
        return cls(**values) if len(self.problems) == before else None

    def _unknown(self, cls: type, key: str, raw: dict[str, Any], path: str, siblings: tuple[type, ...]) -> str:
        """A key that is none of the table's: perhaps another kind's, one that lies deeper, or misspelt.

        Returns:
            The table's own key that was probably meant, or nothing.
        """
        fields = [field.name for field in dataclasses.fields(cls)]
        others = [name for other in siblings if key in hints(other) for name in get_args(hints(other)[TAG])]
        deeper = [f"{name}.{key}" for name in fields if key in _fields_below(hints(cls)[name])]
        if others:
            names = " or ".join(map(json.dumps, others))
            self.note(join_key(path, key), f"only for kind {names}; this one is {json.dumps(raw[TAG])}")
            return ""
        closest = deeper[0] if deeper else closest_of(key, (name for name in fields if name not in raw))
        known = "" if closest else f"; known here: {', '.join(fields)}" if fields else "; none is known here"
        self.note(join_key(path, key), f"unknown key{known}", closest)
        return closest.partition(".")[0]

    def _choice(self, choices: tuple[Any, ...], raw: Any, path: str) -> Any:
        for choice in choices:
            if raw == choice and isinstance(raw, bool) == isinstance(choice, bool):
                return choice
        return self.note(path, f"expected {_one_of(choices)}, found {shown(raw)}", closest_of(raw, choices))

    def _union(self, kinds: tuple[Any, ...], raw: Any, path: str) -> Any:
        if raw is None and type(None) in kinds:
            return None
        kinds = tuple(kind for kind in kinds if kind is not type(None))
        if members := tagged(kinds):
            return self._tagged(members, raw, path)
        likely = kinds if len(kinds) == 1 else [kind for kind in kinds if type(raw) in _written_as(kind)]
        if len(likely) == 1:
            return self.read(likely[0], raw, path)
        return self.note(path, f"expected {_either(kinds)}, found {shown(raw)}")

    def _tagged(self, members: dict[str, type], raw: Any, path: str) -> Any:
        if not isinstance(raw, dict):
            return self.note(path, f"expected a table, found {shown(raw)}")
        key = join_key(path, TAG)
        if TAG not in raw:
            return self.note(key, f"missing; expected {_one_of(tuple(members))}")
        kind = self._choice(tuple(members), raw[TAG], key)
        if kind is None:
            return None
        return self._table(members[kind], raw, path, tuple(members.values()))

    def _list(self, kind: Any, raw: Any, path: str, made: type[list[Any]] | type[tuple[Any, ...]] = tuple) -> Any:
        if not isinstance(raw, (list, tuple)):
            return self._wrong(tuple[kind, ...], raw, path)
        return made(self.read(kind, item, f"{path}[{index}]") for index, item in enumerate(raw))

    def _dict(self, kinds: tuple[Any, ...], raw: Any, path: str) -> Any:
        if not isinstance(raw, dict):
            return self.note(path, f"expected a table, found {shown(raw)}")
        names, kind = kinds
        found = {}
        for key, item in raw.items():
            place = join_key(path, key)
            if not _is_writable(key):
                self.note(place, "expected a key that is text")
            for bound in bounds_of(names)[1]:
                if not bound.admits(key):
                    self.note(place, f"expected {bound.words}")
            found[key] = self.read(kind, item, place)
        return found


def _written_as(kind: Any) -> tuple[type, ...]:
    """The Python types of what TOML and JSON give for a type that stands in a union."""
    kind = bounds_of(kind)[0]
    if kind is CpuList:
        return (str, list, tuple)
    if get_origin(kind) in (tuple, list):
        return (list, tuple)
    if get_origin(kind) is Literal:
        return tuple({type(choice) for choice in get_args(kind)})
    return {str: (str,), bool: (bool,), int: (int, float), float: (int, float)}.get(kind, (dict,))


def _is_required(field: dataclasses.Field[Any]) -> bool:
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING


def _one_of(choices: tuple[Any, ...]) -> str:
    return ("one of " if len(choices) > 1 else "") + ", ".join(json.dumps(choice) for choice in choices)


def _whole(raw: Any) -> Any:
    """2 where it is written 2.0, as in JSON Schema; anything else as it is."""
    return int(raw) if isinstance(raw, float) and raw.is_integer() else raw


def _is_writable(raw: Any) -> bool:
    """Whether a plain value can be written as JSON in UTF-8: no infinity, no half of a surrogate pair."""
    if isinstance(raw, str):
        return raw.isascii() or not any("\ud800" <= letter <= "\udfff" for letter in raw)
    return not isinstance(raw, float) or math.isfinite(raw)


def _fields_below(kind: Any) -> tuple[str, ...]:
    """Keys of a table that is a field of its own."""
    kind = bounds_of(kind)[0]
    parts = [part for part in get_args(kind) or (kind,) if dataclasses.is_dataclass(part)]
    below = parts[0] if len(parts) == 1 and get_origin(kind) is not tuple and get_origin(kind) is not dict else None
    return tuple(field.name for field in dataclasses.fields(below)) if below is not None else ()
