"""Turns TOML and JSON into the schema's dataclasses: strict keys, strict types, every mistake at once.

Pure: callers read the files and pass text in. Of the standard library only, because the keeper uses it too.
"""

from __future__ import annotations

import dataclasses
import difflib
import functools
import json
import math
import sys
import types
import typing
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal, TypeVar, Union, get_args, get_origin

from edgekit.errors import InputError
from edgekit.schema.units import Bytes, Cpus, parse_bytes, parse_cpus

T = TypeVar("T")

_SPECIAL: dict[object, Callable[[Any], Any]] = {Bytes: parse_bytes, Cpus: parse_cpus}
_NAMES: dict[object, str] = {str: "text", int: "a whole number", float: "a number", bool: "true or false"}
_MAX_FLOAT = 2**1023
_MAX_DEPTH = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One mistake in a file."""

    file: str
    key: str
    """Path of the key: `pipeline.lanes.camera.cpus`."""
    expected: str
    closest: str = ""

    def __str__(self) -> str:
        """One line: `recipe.toml: limits.memory_mx: unknown key; did you mean memory_max?`."""
        where = f"{self.file}: {self.key}: " if self.key else f"{self.file}: "
        return where + self.expected + (f"; did you mean {self.closest}?" if self.closest else "")


def raise_problems(problems: Iterable[Problem], *, hint: str = "") -> None:
    """Raise one InputError that names them all; return when there are none."""
    found = list(problems)
    if found:
        message = str(found[0]) if len(found) == 1 else "\n".join([f"{len(found)} mistakes", *map(str, found)])
        advice = hint or f"edit {found[0].file}; `edgekit schema` writes JSON Schemas for editors"
        raise InputError(message, hint=advice)


def from_toml(cls: type[T], text: str, file: str) -> T:
    """Read a TOML text as `cls`. Raises InputError with every mistake, each led by `file` and its key."""
    # Imported here: the keeper reads no TOML, and on Python 3.10 it has no tomli.
    if sys.version_info >= (3, 11):
        import tomllib  # noqa: PLC0415
    else:
        import tomli as tomllib  # noqa: PLC0415
    try:
        raw = tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # ValueError: a TOMLDecodeError, or a number of too many digits
        raise InputError(f"{file}: not TOML: {error}", hint=f"edit {file} at that place") from None
    return from_raw(cls, raw, file)


def from_json(cls: type[T], text: str | bytes, file: str) -> T:
    """Read a JSON text, which programs write, as `cls`. Raises InputError as `from_toml` does."""
    hint = "use the same edgekit on both sides, and write it again"
    try:
        raw = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{file}: not JSON: {error}", hint=hint) from None
    return from_raw(cls, raw, file, hint=hint)


def from_raw(cls: type[T], raw: object, file: str, *, hint: str = "") -> T:
    """Read parsed TOML or JSON as `cls`."""
    problems: list[Problem] = []
    if _is_deep(raw):
        raise_problems([Problem(file=file, key="", expected=f"nested too deep: at most {_MAX_DEPTH}")], hint=hint)
    value = _read(cls, raw, "", file, problems)
    raise_problems(problems, hint=hint)
    return typing.cast(T, value)


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
    """The resolved field types of a schema dataclass."""
    return typing.get_type_hints(cls)


def _read(kind: Any, raw: Any, path: str, file: str, problems: list[Problem]) -> Any:
    """Read `raw` as `kind`; on a mistake add to `problems` and return None."""
    if kind in _NAMES:
        return _read_plain(kind, raw, path, file, problems)
    if kind is Any or kind is object:
        return _read_any(raw, path, file, problems)
    if kind in _SPECIAL:
        try:
            return _SPECIAL[kind](raw)
        except ValueError as error:
            problems.append(_wrong(file, path, str(error), raw))
            return None
    if dataclasses.is_dataclass(kind):
        return _read_table(typing.cast(type, kind), raw, path, file, problems)
    origin = get_origin(kind)
    if origin is Literal:
        return _read_choice(get_args(kind), raw, path, file, problems)
    if origin in (Union, types.UnionType):
        return _read_union(get_args(kind), raw, path, file, problems)
    if origin is tuple:
        return _read_list(get_args(kind)[0], raw, path, file, problems)
    assert origin is dict, kind
    return _read_dict(get_args(kind)[1], raw, path, file, problems)


def _read_plain(kind: Any, raw: Any, path: str, file: str, problems: list[Problem]) -> Any:
    """A text, number or truth value. Whole numbers count as numbers; nothing else is taken for another."""
    if kind is float and type(raw) is int and abs(raw) <= _MAX_FLOAT:
        return float(raw)
    if type(raw) is kind and _is_writable(raw):
        return raw
    problems.append(_wrong(file, path, _NAMES[kind], raw))
    return None


def _read_any(raw: Any, path: str, file: str, problems: list[Problem]) -> Any:
    """What another part checks. It must be what JSON can say: TOML has dates and infinities too."""
    if isinstance(raw, dict):
        return _read_dict(Any, raw, path, file, problems)
    if isinstance(raw, (list, tuple)):
        return [_read_any(item, f"{path}[{index}]", file, problems) for index, item in enumerate(raw)]
    if raw is None or (type(raw) in _NAMES and _is_writable(raw)):
        return raw
    problems.append(_wrong(file, path, "a text, number, true, false, list or table", raw))
    return None


def _is_writable(raw: Any) -> bool:
    """Whether a plain value can be written as JSON in UTF-8: no infinity, no half of a surrogate pair."""
    if isinstance(raw, str):
        return raw.isascii() or not any("\ud800" <= letter <= "\udfff" for letter in raw)
    return not isinstance(raw, float) or math.isfinite(raw)


def _read_table(cls: type, raw: Any, path: str, file: str, problems: list[Problem]) -> Any:
    if not isinstance(raw, dict):
        problems.append(_wrong(file, path, "a table", raw))
        return None
    fields = {field.name: field for field in dataclasses.fields(cls)}
    before = len(problems)
    for key in (key for key in raw if key not in fields):
        closest = difflib.get_close_matches(str(key), [name for name in fields if name not in raw], n=1, cutoff=0.5)
        known = "" if closest else f"; known here: {', '.join(fields)}"
        problems.append(
            Problem(file=file, key=_join(path, key), expected=f"unknown key{known}", closest="".join(closest))
        )
    values: dict[str, Any] = {}
    kinds, prefix = hints(cls), f"{path}." if path else ""
    for name, field in fields.items():
        if name in raw:
            values[name] = _read(kinds[name], raw[name], prefix + name, file, problems)
        elif field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            problems.append(
                Problem(file=file, key=prefix + name, expected=f"missing; expected {describe(kinds[name])}")
            )
    return cls(**values) if len(problems) == before else None


def _read_choice(choices: tuple[Any, ...], raw: Any, path: str, file: str, problems: list[Problem]) -> Any:
    if any(raw == choice and type(raw) is type(choice) for choice in choices):
        return raw
    closest = difflib.get_close_matches(str(raw), [str(choice) for choice in choices], n=1, cutoff=0.5)
    expected = f"expected one of {', '.join(json.dumps(choice) for choice in choices)}, found {_show(raw)}"
    problems.append(Problem(file=file, key=path, expected=expected, closest="".join(closest)))
    return None


def _read_union(kinds: tuple[Any, ...], raw: Any, path: str, file: str, problems: list[Problem]) -> Any:
    if raw is None and type(None) in kinds:
        return None
    kinds = tuple(kind for kind in kinds if kind is not type(None))
    for kind in kinds:
        attempt: list[Problem] = []
        value = _read(kind, raw, path, file, attempt)
        if not attempt:
            return value
    if len(kinds) == 1:
        problems.extend(attempt)
    else:
        problems.append(_wrong(file, path, " or ".join(map(describe, kinds)), raw))
    return None


def _read_list(kind: Any, raw: Any, path: str, file: str, problems: list[Problem]) -> Any:
    if not isinstance(raw, (list, tuple)):
        problems.append(_wrong(file, path, f"a list of {describe(kind)}", raw))
        return None
    return tuple(_read(kind, item, f"{path}[{index}]", file, problems) for index, item in enumerate(raw))


def _read_dict(kind: Any, raw: Any, path: str, file: str, problems: list[Problem]) -> Any:
    if not isinstance(raw, dict):
        problems.append(_wrong(file, path, "a table", raw))
        return None
    bad = [key for key in raw if not _is_writable(key)]
    problems += [Problem(file=file, key=_join(path, key), expected="expected a key that is text") for key in bad]
    return {key: _read(kind, item, _join(path, key), file, problems) for key, item in raw.items()}


def describe(kind: Any) -> str:
    """A type in words, for messages."""
    if kind is Bytes:
        return 'a size such as "400MiB"'
    if kind is Cpus:
        return 'CPU numbers such as "0-3,6"'
    origin = get_origin(kind)
    if origin is Literal:
        return "one of " + ", ".join(json.dumps(choice) for choice in get_args(kind))
    if origin in (Union, types.UnionType):
        return " or ".join(describe(part) for part in get_args(kind) if part is not type(None))
    if origin is tuple:
        return f"a list of {describe(get_args(kind)[0])}"
    return _NAMES.get(kind, "a table")


def _wrong(file: str, path: str, expected: str, raw: Any) -> Problem:
    return Problem(file=file, key=path, expected=f"expected {expected}, found {_show(raw)}")


def _show(raw: Any) -> str:
    if isinstance(raw, dict):
        return "a table"
    text = json.dumps(raw, default=str, ensure_ascii=False).encode(errors="backslashreplace").decode()
    return text if len(text) <= 60 else text[:57] + "..."


def _join(path: str, key: object) -> str:
    text = str(key)
    if not text or not text.replace("_", "").replace("-", "").isalnum():
        text = json.dumps(text)
    return f"{path}.{text}" if path else text
