"""Mistakes in files that users write: one line each, all of them at once."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from edgekit.errors import InputError


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


def closest_of(name: object, known: Iterable[object]) -> str:
    """The known name that was probably meant, or nothing: much alike, or the same with a unit behind it."""
    names = [str(one) for one in known]
    alike = difflib.get_close_matches(str(name), names, n=1, cutoff=0.5)
    return next(iter(alike or [one for one in names if one.startswith(f"{name}_")]), "")


def join_key(path: str, key: object) -> str:
    """The path of a key inside a table, quoted where TOML wants that."""
    text = str(key)
    if not text or not text.replace("_", "").replace("-", "").isalnum():
        text = json.dumps(text)
    return f"{path}.{text}" if path else text


def shown(raw: Any) -> str:
    """A value as a message shows it: short, on one line, printable."""
    if isinstance(raw, dict):
        return "a table"
    text = json.dumps(raw, default=str, ensure_ascii=False).encode(errors="backslashreplace").decode()
    return text if len(text) <= 60 else text[:57] + "..."
