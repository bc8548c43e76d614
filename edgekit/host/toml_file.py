"""Reads the TOML files that users write: bounded, as UTF-8, every mistake at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

from edgekit.errors import InputError
from edgekit.schema.reader import from_raw
from edgekit.schema.toml import parse_toml

T = TypeVar("T")

MAX_TOML_BYTES = 4 << 20


def read_toml(cls: type[T], file: Path, *, hint: str = "") -> T:
    """Read a file as `cls`.

    Args:
        cls: a schema dataclass.
        file: where it is.
        hint: what helps where there is none; empty: `ls -l` of it.

    Raises:
        InputError: as `read_table`, or every mistake in it.
    """
    return from_raw(cls, read_table(file, hint=hint), str(file))


def read_table(file: Path, *, hint: str = "") -> dict[str, Any]:
    """Read a file as TOML, whatever it is to become.

    Args:
        file: where it is.
        hint: what helps where there is none; empty: `ls -l` of it.

    Raises:
        InputError: no such file, one without an end, no text, or no TOML.
    """
    try:
        if not file.is_file() and file.exists():
            raise InputError(f"{file} is not a file", hint=hint or f"ls -l {file}")
        with file.open("rb") as opened:
            content = opened.read(MAX_TOML_BYTES + 1)
    except OSError as error:
        raise InputError(f"{file} cannot be read: {error.strerror}", hint=hint or f"ls -l {file}") from None
    if len(content) > MAX_TOML_BYTES:
        raise InputError(
            f"{file} is larger than {MAX_TOML_BYTES >> 20} MiB", hint=f"ls -l {file}: such files have a few KiB"
        )
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise InputError(f"{file}: not UTF-8 text, line {line}", hint=f"save {file} as UTF-8 in your editor") from None
    return parse_toml(text, str(file))
