"""The walk through parsed TOML or JSON beside the type that it is to become. `reader` and `message` are its two doors.

Pure, and of the standard library only, because the keeper uses it too.
"""

from __future__ import annotations

import dataclasses
import math
import types
import typing
from collections.abc import Iterable
from typing import Any, Literal, Union, get_args, get_origin

from edgekit.schema.field_types import (
    ALLOWED,
    PLAIN,
    TAG,
    FieldType,
    bounds_of,
    describe,
    either,
    one_of,
    tagged,
    types_of,
    written_as,
)
from edgekit.schema.problem import Problem, closest_of, join_key, shown
from edgekit.schema.units import Bytes, CpuList, Cpus, parse_bytes, parse_cpu_list, parse_cpus

_SPECIAL = (Bytes, Cpus, CpuList)
_MAX_FLOAT = 2**1023
_MAX_DEPTH = 64


class Reading:
    """One reading: what is wrong gathers in `problems`, and None stands in for what could not be read."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.problems: list[Problem] = []

    def begin(self, kind: Any, raw: Any, path: str) -> Any:
        """Read the whole of what there is."""
        if is_deep(raw):
            return self.note(path, f"nested too deep: at most {_MAX_DEPTH}")
        return self.read(kind, raw, path)

    def note(self, path: str, expected: str, closest: str = "") -> None:
        """One mistake more."""
        self.problems.append(Problem(file=self.file, key=path, expected=expected, closest=closest))

    def check_keys(self, cls: type, raw: dict[str, Any], path: str, siblings: tuple[type, ...], /) -> frozenset[str]:
        """Judge the keys of a table that its type does not know; `siblings` are the other kinds of its union.

        Returns:
            The table's own keys that were probably meant by them.
        """
        raise NotImplementedError

    def read(self, full: Any, raw: Any, path: str) -> Any:
        """Read `raw` as a type; on a mistake note it and return None."""
        return self._read(FieldType.of(full), raw, path)

    def _read(self, of: FieldType, raw: Any, path: str) -> Any:
        if of.kind in _SPECIAL:
            return self._special(of.kind, raw, path, of.bounds)
        before = len(self.problems)
        value = self._plain(of, raw, path) if of.is_plain else self._unbounded(of.kind, raw, path)
        for bound in of.bounds if len(self.problems) == before else ():
            if not bound.admits(value):
                what = len(value) if isinstance(value, (tuple, dict)) else shown(raw)
                self.note(path, f"expected {bound.words}, found {what}")
        return value

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
        return self.note(path, f"is of type {kind}, which no file can hold: {ALLOWED}")

    def _plain(self, of: FieldType, raw: Any, path: str) -> Any:
        """A text, number or truth value. 2 counts as 2.0 and 2.0 as 2; nothing else is taken for another."""
        kind = of.kind
        if kind is float and type(raw) is int and abs(raw) <= _MAX_FLOAT:
            return float(raw)
        if kind is int:
            raw = _whole(raw)
        if type(raw) is kind and _is_writable(raw):
            return raw
        return self._wrong(of.full, raw, path)

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
        if raw is None or (type(raw) in PLAIN and _is_writable(raw)):
            return raw
        self.note(path, f"expected a text, number, true, false, list or table, found {shown(raw)}")
        return None

    def _table(self, cls: type, raw: Any, path: str, siblings: tuple[type, ...] = ()) -> Any:
        if not isinstance(raw, dict):
            return self._wrong(cls, raw, path)
        before = len(self.problems)
        meant = self.check_keys(cls, raw, path, siblings)
        values: dict[str, Any] = {}
        prefix = f"{path}." if path else ""
        for name, (of, required) in types_of(cls).items():
            if name in raw:
                values[name] = self._read(of, raw[name], prefix + name)
            elif required and name not in meant:
                self.note(prefix + name, f"missing; expected {describe(of.full)}")
        return cls(**values) if len(self.problems) == before else None

    def _choice(self, choices: tuple[Any, ...], raw: Any, path: str) -> Any:
        if _is_one_of(choices, raw):
            return next(choice for choice in choices if raw == choice)
        return self.note(path, f"expected {one_of(choices)}, found {shown(raw)}", closest_of(raw, choices))

    def _union(self, kinds: tuple[Any, ...], raw: Any, path: str) -> Any:
        if raw is None and type(None) in kinds:
            return None
        kinds = tuple(kind for kind in kinds if kind is not type(None))
        if members := tagged(kinds):
            return self._tagged(members, raw, path)
        likely = kinds if len(kinds) == 1 else [kind for kind in kinds if type(raw) in written_as(kind)]
        if len(likely) > 1:  # a choice that is open: one of its words, or else another text
            chosen = [kind for kind in likely if get_origin(kind) is Literal and _is_one_of(get_args(kind), raw)]
            likely = chosen or [kind for kind in likely if get_origin(kind) is not Literal]
        if len(likely) == 1 and (len(kinds) == 1 or get_origin(likely[0]) is not Literal):
            return self.read(likely[0], raw, path)
        words = tuple(word for kind in kinds if get_origin(kind) is Literal for word in get_args(kind))
        if _is_one_of(words, raw):
            return self._choice(words, raw, path)
        return self.note(path, f"expected {either(kinds)}, found {shown(raw)}", closest_of(raw, words))

    def _tagged(self, members: dict[str, type], raw: Any, path: str) -> Any:
        if not isinstance(raw, dict):
            return self.note(path, f"expected a table, found {shown(raw)}")
        key = join_key(path, TAG)
        if TAG not in raw:
            return self.note(key, f"missing; expected {one_of(tuple(members))}")
        kind = self._choice(tuple(members), raw[TAG], key)
        if kind is None:
            return None
        return self._table(members[kind], raw, path, tuple(members.values()))

    def _list(self, kind: Any, raw: Any, path: str, made: type[list[Any]] | type[tuple[Any, ...]] = tuple) -> Any:
        if not isinstance(raw, (list, tuple)):
            return self._wrong(tuple[kind, ...], raw, path)
        of = FieldType.of(kind)
        return made(self._read(of, item, f"{path}[{index}]") for index, item in enumerate(raw))

    def _dict(self, kinds: tuple[Any, ...], raw: Any, path: str) -> Any:
        if not isinstance(raw, dict):
            return self.note(path, f"expected a table, found {shown(raw)}")
        names, of, found = kinds[0], FieldType.of(kinds[1]), {}
        for key, item in raw.items():
            place = join_key(path, key)
            if not _is_writable(key):
                self.note(place, "expected a key that is text")
            for bound in bounds_of(names)[1]:
                if not bound.admits(key):
                    self.note(place, f"expected {bound.words}")
            found[key] = self._read(of, item, place)
        return found


def _is_one_of(choices: tuple[Any, ...], raw: Any) -> bool:
    return any(raw == choice and isinstance(raw, bool) == isinstance(choice, bool) for choice in choices)


def is_deep(raw: object) -> bool:
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


def _whole(raw: Any) -> Any:
    """2 where it is written 2.0, as in JSON Schema; anything else as it is."""
    return int(raw) if isinstance(raw, float) and raw.is_integer() else raw


def _is_writable(raw: Any) -> bool:
    """Whether a plain value can be written as JSON in UTF-8: no infinity, no half of a surrogate pair."""
    if isinstance(raw, str):
        return raw.isascii() or not any("\ud800" <= letter <= "\udfff" for letter in raw)
    return not isinstance(raw, float) or math.isfinite(raw)
