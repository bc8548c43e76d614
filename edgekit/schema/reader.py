"""Turns the TOML and JSON that people write into the schema's dataclasses: strict, every mistake at once.

For files: recipes, targets, fleets, expected answers, and what this machine keeps for itself alone. Unknown keys are
errors that name the closest known key. What machines exchange is a `Message`, which `edgekit.schema.message` reads
and writes; each refuses the other's types.

Pure: callers read the files and pass text in.
"""

from __future__ import annotations

import dataclasses
import json
import typing
from typing import Any, TypeVar, get_args

from edgekit.errors import InputError
from edgekit.schema.field_types import TAG, fields_below, fields_of, hints
from edgekit.schema.message import Message
from edgekit.schema.problem import Problem, closest_of, join_key, raise_problems
from edgekit.schema.reading import Reading

T = TypeVar("T")


def from_toml(cls: type[T], text: str, file: str) -> T:
    """Read a TOML text as `cls`. Raises InputError with every mistake, each led by `file` and its key."""
    # Imported here: the keeper reads no TOML, and on Python 3.10 it has no tomli.
    from edgekit.schema.toml import parse_toml  # noqa: PLC0415

    return from_raw(cls, parse_toml(text, file), file)


def from_json(cls: type[T], text: str | bytes, file: str) -> T:
    """Read a JSON text as `cls`. Raises InputError as `from_toml` does."""
    hint = "use the same edgekit on both sides, and write it again"
    try:
        raw = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{file}: not JSON: {error}", hint=hint) from None
    return from_raw(cls, raw, file, hint=hint)


def from_raw(cls: type[T], raw: object, file: str, *, key: str = "", hint: str = "") -> T:
    """Read parsed TOML or JSON as `cls`; `key` is its path in the file, where it is not the whole of it."""
    reading = _StrictReading(file)
    value = reading.begin(_no_message(cls), raw, key)
    raise_problems(reading.problems, hint=hint)
    return typing.cast(T, value)


def problems_in(cls: type, raw: object, file: str, *, key: str = "") -> tuple[Problem, ...]:
    """What `from_raw` would refuse."""
    reading = _StrictReading(file)
    reading.begin(_no_message(cls), raw, key)
    return tuple(reading.problems)


def to_raw(value: object) -> Any:
    """The plain dicts and lists of a dataclass, whole: None, empty and default values stay. For `--json` too."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: to_raw(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {str(key): to_raw(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_raw(item) for item in value]
    return value


def to_json(value: object) -> bytes:
    """Canonical JSON, the same bytes for the same value: sorted keys, two-space indent, newline at the end."""
    _no_message(type(value))
    return (json.dumps(to_raw(value), indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n").encode()


def _no_message(cls: type[T]) -> type[T]:
    """The type as it is, unless it is exchanged between machines: those differ in version."""
    if Message in getattr(cls, "__mro__", ()):
        raise TypeError(f"{cls.__name__} is exchanged between machines: edgekit.schema.message reads and writes it")
    return cls


class _StrictReading(Reading):
    """Refuses keys that a table does not have."""

    def check_keys(self, cls: type, raw: dict[str, Any], path: str, siblings: tuple[type, ...]) -> frozenset[str]:
        """See `Reading.check_keys`."""
        known = fields_of(cls)
        return frozenset([self._unknown(cls, key, raw, path, siblings) for key in raw if key not in known])

    def _unknown(self, cls: type, key: str, raw: dict[str, Any], path: str, siblings: tuple[type, ...]) -> str:
        """A key that is none of the table's: perhaps another kind's, one that lies deeper, or misspelt.

        Returns:
            The table's own key that was probably meant, or nothing.
        """
        fields = list(fields_of(cls))
        others = [name for other in siblings if key in hints(other) for name in get_args(hints(other)[TAG])]
        deeper = [f"{name}.{key}" for name in fields if key in fields_below(hints(cls)[name])]
        if others:
            names = " or ".join(map(json.dumps, others))
            self.note(join_key(path, key), f"only for kind {names}; this one is {json.dumps(raw[TAG])}")
            return ""
        closest = deeper[0] if deeper else closest_of(key, (name for name in fields if name not in raw))
        known = "" if closest else f"; known here: {', '.join(fields)}" if fields else "; none is known here"
        self.note(join_key(path, key), f"unknown key{known}", closest)
        return closest.partition(".")[0]
