"""What machines of different versions exchange: read with tolerance, written without defaults.

Requests, events, status, reports, plans, manifests, state files, and what builders and rehearsals are asked and answer
are `Message`s. The sides are updated at different times, so

- unknown keys are ignored, at any depth: a newer side may say more. Types and bounds are checked as ever;
- what equals its default is not written, and a field that comes later has a default: an older side lacks it. So a
  default is never changed, it is part of the format;
- what an older reader must not ignore is marked, `field(default=..., metadata=MUST_UNDERSTAND)`. Where such a field
  differs from its default, its table lists it under `must_understand`, and each table around lists the key that leads
  there. A reader that does not know a listed key refuses the message, and names the key;
- an unknown value of a closed choice, or kind of a union, is refused by name. A choice that is only shown to people is
  typed `Choice | NewerWord`, and reads as the word that the newer side has for it;
- what a peer is *able* to do is asked before it is used: the features in the answer to `hello`.

Whole types are messages; the dataclasses in them need no mark. `edgekit.schema.reader` is for files and refuses
messages, type checkers refuse the reverse.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import json
import typing
from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeVar, get_origin

from edgekit.errors import InputError
from edgekit.schema.bounds import Matches
from edgekit.schema.field_types import PLAIN, TAG, fields_of, hints, is_required
from edgekit.schema.problem import Problem, join_key, raise_problems, shown
from edgekit.schema.reading import Reading

MUST_UNDERSTAND: Mapping[str, bool] = {"must_understand": True}
"""A field's metadata: where it is not the default, no reader may ignore it."""
NewerWord = Annotated[str, Matches("[a-z][a-z0-9_]{0,39}", "a word such as rolling_back")]
"""Stands beside a closed choice that is only shown: what a newer side calls it."""
_KEY = "must_understand"
_MAX_PROBLEMS = 20
_HINT = "one side is older: `edgekit provision` the board again, or update edgekit on the workstation"


class Message:
    """Base of what machines exchange whole."""

    __slots__ = ()


M = TypeVar("M", bound=Message)


def from_message(cls: type[M], text: str | bytes, origin: str) -> M:
    """Read a message.

    Args:
        cls: what it is.
        text: JSON.
        origin: whose it is, for people: `plan.json`, `status of gate-7`.

    Raises:
        InputError: it is no such message, or holds something that must be understood and is not.
    """
    try:
        raw = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{origin}: not JSON: {error}", hint="send or build it again") from None
    return from_message_data(cls, raw, origin)


def from_message_data(cls: type[M], raw: object, origin: str) -> M:
    """Read a message that is parsed already: one that lies in another. Raises InputError as `from_message` does."""
    value, problems = _read(cls, raw, origin)
    raise_problems(problems, hint=_HINT)
    return typing.cast(M, value)


def message_problems(cls: type[Message], raw: object, origin: str) -> tuple[Problem, ...]:
    """What `from_message_data` would refuse."""
    return tuple(_read(cls, raw, origin)[1])


def to_message(message: Message) -> bytes:
    """A message as a file, the same bytes for the same message: sorted keys, two-space indent, newline at the end."""
    raw = to_message_data(message)
    return (json.dumps(raw, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n").encode()


def to_line(message: Message) -> bytes:
    """A message on one line, for protocols."""
    raw = to_message_data(message)
    return (json.dumps(raw, separators=(",", ":"), ensure_ascii=False, allow_nan=False) + "\n").encode()


def to_message_data(message: Message) -> dict[str, Any]:
    """A message as plain data, to lie in another."""
    return _table(message)


def _read(cls: type[Message], raw: object, origin: str) -> tuple[object, list[Problem]]:
    reading = _TolerantReading(origin)
    value = None
    with contextlib.suppress(_TooMany):
        value = reading.begin(cls, raw, "")
    return value, reading.problems


class _TooMany(Exception):
    """Enough mistakes: a peer must not make us gather more."""


class _TolerantReading(Reading):
    """Ignores keys that a table does not have, unless they must be understood."""

    def note(self, path: str, expected: str, closest: str = "") -> None:
        """See `Reading.note`."""
        super().note(path[:200], expected, closest)
        if len(self.problems) == _MAX_PROBLEMS:
            raise _TooMany

    def check_keys(self, cls: type, raw: dict[str, Any], path: str, _siblings: tuple[type, ...]) -> frozenset[str]:
        """See `Reading.check_keys`."""
        if _KEY not in raw:
            return frozenset()
        names, known = raw[_KEY], fields_of(cls)
        if not isinstance(names, list):
            self.note(join_key(path, _KEY), f"expected a list of keys, found {shown(names)}")
            return frozenset()
        for name in names:
            if not isinstance(name, str) or name not in known:
                key = name if isinstance(name, str) else shown(name)
                self.note(join_key(path, key), "must be understood, and this edgekit does not know it")
        return frozenset(name for name in names if isinstance(name, str))


@dataclasses.dataclass(frozen=True, slots=True)
class _Written:
    """How one field is written."""

    name: str
    has_default: bool
    default: Any
    must: bool


@functools.cache
def _written(cls: type) -> tuple[_Written, ...]:
    made = []
    for name, field in fields_of(cls).items():
        is_tag = name == TAG and get_origin(hints(cls)[TAG]) is Literal
        required = is_required(field)
        default = None if required else field.default
        if default is dataclasses.MISSING:
            assert field.default_factory is not dataclasses.MISSING
            default = field.default_factory()
        has_default = not required and not is_tag  # a reader chooses by the tag
        made.append(_Written(name, has_default, default, bool(field.metadata.get(_KEY))))
    return tuple(made)


def _table(value: Any) -> dict[str, Any]:
    raw: dict[str, Any] = {}
    must = []
    for field in _written(typing.cast(typing.Hashable, type(value))):
        item = getattr(value, field.name)
        if field.has_default and item == field.default:
            continue
        raw[field.name], deeper = _plain(item)
        if field.must or deeper:
            must.append(field.name)
    if must:
        raw[_KEY] = sorted(must)
    return raw


def _plain(value: Any) -> tuple[Any, bool]:
    """A value as JSON has it, and whether something in it must be understood."""
    if type(value) in PLAIN:
        return value, False
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        table = _table(value)
        return table, _KEY in table
    if isinstance(value, dict):
        items = {str(key): _plain(item) for key, item in value.items()}
        return {key: raw for key, (raw, _) in items.items()}, any(must for _, must in items.values())
    if isinstance(value, (list, tuple)):
        entries = [_plain(item) for item in value]
        return [raw for raw, _ in entries], any(must for _, must in entries)
    return value, False
