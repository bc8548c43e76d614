"""Writes schema objects as the TOML that `edgekit.schema.reader` reads."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

from edgekit.schema.field_types import bounds_of, hints
from edgekit.schema.units import Bytes, Cpus, format_cpus

_MOST, _MEGABYTE = 10**6, 10**6
_SIZES = (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10))


def to_toml(value: Any) -> str:
    """Write a schema object. What is as by default is left out; plain values come before tables."""
    return "\n".join(_table(value, "")) + "\n"


def _table(value: Any, path: str) -> list[str]:
    cls: type = type(value)
    plain: list[str] = []
    tables: list[str] = []
    for field in dataclasses.fields(value):
        item = getattr(value, field.name)
        inside = f"{path}.{field.name}" if path else field.name
        if item == _default(field):
            continue
        if dataclasses.is_dataclass(item):
            tables += ["", f"[{inside}]", *_table(item, inside)]
        elif isinstance(item, tuple) and item and dataclasses.is_dataclass(item[0]):
            for part in item:
                tables += ["", f"[[{inside}]]", *_table(part, inside)]
        else:
            plain.append(f"{field.name} = {_value(bounds_of(hints(cls)[field.name])[0], item)}")
    return plain + tables


def _default(field: dataclasses.Field[Any]) -> Any:
    return field.default if field.default_factory is dataclasses.MISSING else field.default_factory()


def _value(kind: Any, item: Any) -> str:
    if kind is Bytes:
        return _size(item)
    if kind is Cpus and list(item) == sorted(item):
        return toml_string(format_cpus(item))
    if isinstance(item, bool):
        return "true" if item else "false"
    if isinstance(item, (int, float)):
        return repr(item)
    if isinstance(item, tuple):
        return "[" + ", ".join(_value(None, part) for part in item) + "]"
    return toml_string(item)


def _size(size: int) -> str:
    """A size in the largest unit that it is whole in; its bytes as a number where readers take no such text.

    They take six digits, and nothing in KiB where a megabyte is the least (see `SmallestUnit`).
    """
    for unit, factor in _SIZES:
        if size and size % factor == 0 and size // factor < _MOST and (unit != "KiB" or size < _MEGABYTE):
            return f'"{size // factor}{unit}"'
    return str(size)


def toml_string(text: str) -> str:
    """A basic string. Its escapes are JSON's, and TOML wants one for DEL too."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
