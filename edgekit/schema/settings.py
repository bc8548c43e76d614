"""Settings: values that differ from board to board. A recipe declares them, a release never holds them.

In recipe.toml any value of a source, of a stage's options or of a sink may be `{ setting = "NAME" }`. The build puts
the setting's default or example there, so that everything is checked as ever, and notes the place in the plan; the
worker puts the board's own value there before anything reads the plan.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

from edgekit.schema.bounds import Between, Matches
from edgekit.schema.message import Message
from edgekit.schema.names import OneLine, TableName
from edgekit.schema.problem import Problem, closest_of, shown

REFERENCE = "setting"
"""The only key of the table that stands for a setting's value."""
NEVER_SET = frozenset({"kind", "lane", "model", "entry", "path", "ca_file", "source"})
"""Keys of sources, stages and sinks that are the same on every board: what travels and what refers to it."""
MAX_SETTINGS_BYTES = 32 << 10
"""Of all values of one application, as JSON."""

SETTINGS_FD_VARIABLE = "EDGEKIT_SETTINGS_FD"
"""Names the descriptor from which a worker reads its `BoardSettings`, once."""
MIN_SECRET = 4
"""Letters: shorter ones cannot be kept out of logs without hiding all else."""
_LOGIN = re.compile(r"://[^/@\s]*:[^/@\s]+@")
"""User and password in an address."""
SettingValue = str | int | float | bool
_MOST = 1_000_000_000_000_000
Whole = Annotated[int, Between(-_MOST, _MOST)]
Number = Annotated[float, Between(-_MOST, _MOST)]
Text = Annotated[str, Matches(r"[^\u0000-\u001f\u007f]{0,2000}", "a text on one line, of at most 2000 characters")]


@dataclass(frozen=True, slots=True, kw_only=True)
class TextSetting:
    """A text on one line: a camera's address, a topic, a password."""

    kind: Literal["text"]
    about: OneLine
    """What it is for, in a sentence, for whoever sets it."""
    default: Text | None = None
    """Unset: every board has to be given one."""
    example: Text | None = None
    """What one looks like; the build checks the recipe with it where there is no default."""
    secret: bool = False
    """It is never shown, and comes from a file or a command."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IntegerSetting:
    """A whole number."""

    kind: Literal["integer"]
    about: OneLine
    default: Whole | None = None
    example: Whole | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberSetting:
    """A number."""

    kind: Literal["number"]
    about: OneLine
    default: Number | None = None
    example: Number | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BooleanSetting:
    """True or false."""

    kind: Literal["boolean"]
    about: OneLine
    default: bool | None = None
    example: bool | None = None


Setting = TextSetting | IntegerSetting | NumberSetting | BooleanSetting
"""What a recipe declares, by `kind`."""
_WANTED: dict[type, tuple[type, str]] = {
    TextSetting: (str, "a text"),
    IntegerSetting: (int, "a whole number"),
    NumberSetting: (float, "a number"),
    BooleanSetting: (bool, "true or false"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class BoardSettings(Message):
    """The values that one board has for one application: what is sent, kept there and handed to the worker."""

    nonce: str
    """Random: nobody can try out secrets on the digest, which is no secret."""
    values: dict[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingPlace:
    """Where in a plan a setting's value goes."""

    setting: TableName
    keys: tuple[str, ...]
    """From the plan's top: `sources`, `gate`, `url`; or `stages`, `find`, `options`, `score`."""


def is_secret(setting: Setting) -> bool:
    """Whether its value must not be shown."""
    return isinstance(setting, TextSetting) and setting.secret


def stand_in(setting: Setting) -> SettingValue | None:
    """What the build puts in a setting's places: its default or its example; None where it has neither."""
    if setting.default is not None:
        return setting.default
    if setting.example is None and is_secret(setting):
        return "secret"
    return setting.example


def complete(declared: Mapping[str, Setting], given: Mapping[str, object]) -> dict[str, SettingValue]:
    """All values: what is given, and defaults for the rest. `given` has passed `faults_in`."""
    values: dict[str, SettingValue] = {}
    for name, setting in declared.items():
        value = _as_declared(setting, given[name]) if name in given else setting.default
        assert value is not None
        values[name] = value
    return values


def faults_in(declared: Mapping[str, Setting], given: Mapping[str, object], origin: str) -> Iterator[Problem]:
    """What is wrong with the values given for a board: unknown, of another kind, or missing.

    Args:
        declared: what the recipe declares.
        given: the board's values by name.
        origin: whose they are, for people: the file, or `settings of gate-7`.
    """
    for name, value in given.items():
        setting = declared.get(name)
        if setting is None:
            known = f"; it has: {', '.join(declared)}" if declared else "; it has none"
            expected = f"the application has no such setting{known}"
            yield Problem(file=origin, key=name, expected=expected, closest=closest_of(name, declared))
        elif _as_declared(setting, value) is None:
            found = "something else" if is_secret(setting) else shown(value)
            wanted = _WANTED[type(setting)][1] + (" on one line" if isinstance(setting, TextSetting) else "")
            yield Problem(file=origin, key=name, expected=f"expected {wanted}, found {found}")
        elif is_secret(setting) and isinstance(value, str) and 0 < len(value) < MIN_SECRET:
            wanted = f"expected at least {MIN_SECRET} characters: a shorter secret cannot be kept out of logs"
            yield Problem(file=origin, key=name, expected=wanted)
        elif not is_secret(setting) and isinstance(value, str) and _LOGIN.search(value):
            wanted = (
                "expected no password in it: this setting is shown, as the recipe does not declare it secret = true"
            )
            yield Problem(file=origin, key=name, expected=wanted)
    for name, setting in declared.items():
        if name not in given and setting.default is None:
            example = "" if setting.example is None or is_secret(setting) else f", such as {shown(setting.example)}"
            yield Problem(file=origin, key=name, expected=f"missing; it is for: {setting.about}{example}")


def _as_declared(setting: Setting, value: object) -> SettingValue | None:
    """A value of the declared kind; None where it is another. 2 counts as 2.0, and 2.0 as 2."""
    if isinstance(value, float) and isinstance(setting, IntegerSetting) and value.is_integer():
        value = int(value)
    if type(value) is int and abs(value) <= _MOST and isinstance(setting, NumberSetting):
        value = float(value)
    if not isinstance(value, (str, int, float, bool)) or type(value) is not _WANTED[type(setting)][0]:
        return None
    if isinstance(value, str) and (len(value) > 2000 or not value.isprintable()):
        return None
    if not isinstance(value, str) and not -_MOST <= value <= _MOST:
        return None
    return value
