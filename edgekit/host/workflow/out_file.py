"""Files that are written at the end of something long: whether they can be is known before it begins."""

from __future__ import annotations

from pathlib import Path

from edgekit.errors import InputError


def check_out_file(file: Path, option: str) -> None:
    """Return if there can be such a file.

    Args:
        file: what will be written.
        option: the option that names it, for people.

    Raises:
        InputError: it is a folder, or its folder is not there.
    """
    if file.is_dir() or not file.parent.is_dir():
        raise InputError(f"{file} can be no file", hint=f"name a file in a folder that is there: {option} FILE")
