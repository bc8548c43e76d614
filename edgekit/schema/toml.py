"""Parses TOML that people write: a byte-order mark is no mistake, and a key that comes twice is named."""

from __future__ import annotations

import re
import sys
from typing import Any

from edgekit.errors import InputError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_BYTE_ORDER_MARK = "\ufeff"
_PLACE = re.compile(r" \(at (?:line ([0-9]+), column [0-9]+|end of document)\)$")
_TWICE = ("Cannot overwrite", "Cannot declare", "Cannot mutate", "Cannot redefine", "Duplicate inline table key")
"""How tomllib begins when something is there already. Source: CPython, Lib/tomllib/_parser.py."""
_INLINE = re.compile("Duplicate inline table key '(.*)'")
_HEADER = re.compile(r"\s*\[+\s*([^]\n]*?)\s*\]+\s*(?:#.*)?")


def parse_toml(text: str, file: str) -> dict[str, Any]:
    """Parse a TOML text.

    Raises:
        InputError: it is none; names the line, and the key where one comes twice.
    """
    text = text.removeprefix(_BYTE_ORDER_MARK)
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise InputError(f"{file}: not TOML: nested too deep", hint=f"edit {file}") from None
    except ValueError as error:  # a TOMLDecodeError, or a number of too many digits
        raise _refusal(text, file, str(error)) from None


def _refusal(text: str, file: str, message: str) -> InputError:
    place = _PLACE.search(message)
    line = int(place[1] or text.count("\n", 0, len(text.rstrip())) + 1) if place else 0
    if line and message.startswith(_TWICE):
        begin = _statement(text, line)
        key = _key_at(text, begin)
        if inner := _INLINE.match(message):
            key = f"{key}.{inner[1]}"
        return InputError(f"{file}: {key}: line {begin} writes it a second time", hint=f"keep one {key} in {file}")
    where = f"line {line} of {file}" if line else file
    return InputError(f"{file}: not TOML: {message}", hint=f"edit {where}: text stands in quotes, a list in [ ]")


def _statement(text: str, line: int) -> int:
    """The line on which the statement that ends in `line` begins: a value may take several."""
    lines = text.splitlines(keepends=True)
    for begin in range(line, max(0, line - 100), -1):
        try:
            tomllib.loads("".join(lines[: begin - 1]))
        except (ValueError, RecursionError):
            continue
        return begin
    return line


def _key_at(text: str, line: int) -> str:
    """The whole path of the key on a line: below the last table header above it."""
    lines = text.splitlines()
    statement = lines[line - 1]
    if header := _HEADER.fullmatch(statement):
        return header[1]
    key = statement.partition("=")[0].strip()
    above = (found[1] for other in reversed(lines[: line - 1]) if (found := _HEADER.fullmatch(other)))
    table = next(above, "")
    return f"{table}.{key}" if table else key
