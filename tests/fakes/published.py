"""Holds what sinks write against the schemas that are published for it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema

import edgekit

_FOLDER = Path(edgekit.__file__).parent / "schema/json"


def check_published(name: str, *written: Any) -> None:
    """Each of these, parsed from JSON, must be what `NAME.schema.json` says."""
    assert written
    schema = json.loads((_FOLDER / f"{name}.schema.json").read_text())
    validator = jsonschema.Draft7Validator(schema)
    for one in written:
        validator.validate(one)


def checked_lines(file: Path) -> list[dict[str, Any]]:
    """The lines of a `jsonl` sink's file, each checked."""
    lines = [json.loads(text) for text in file.read_text().splitlines()]
    check_published("line", *lines)
    return lines
