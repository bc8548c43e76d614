"""JSON Schemas of the files that users write, made from their types: for editors. The reader itself needs none."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import json
import textwrap
import types
from typing import Any, Literal, Union, get_args, get_origin

from edgekit.schema.fleet import Fleet
from edgekit.schema.reader import hints, to_raw
from edgekit.schema.recipe import Recipe
from edgekit.schema.target import TargetFile
from edgekit.schema.units import BYTES_PATTERN, CPUS_PATTERN, Bytes, Cpus

PUBLISHED: dict[str, type] = {"fleet": Fleet, "recipe": Recipe, "target": TargetFile}
"""The schemas by name: `recipe` becomes `recipe.schema.json`."""
_DIALECT = "http://json-schema.org/draft-07/schema#"  # the newest that TOML plug-ins of editors know
_PLAIN: dict[object, dict[str, Any]] = {
    str: {"type": "string"},
    int: {"type": "integer"},
    float: {"type": "number"},
    bool: {"type": "boolean"},
    Any: {},
    Bytes: {"anyOf": [{"type": "integer", "minimum": 0}, {"type": "string", "pattern": BYTES_PATTERN}]},
    Cpus: {
        "anyOf": [
            {"type": "integer", "minimum": 0},
            {"type": "string", "pattern": CPUS_PATTERN},
            {"type": "array", "items": {"type": "integer", "minimum": 0}, "minItems": 1, "uniqueItems": True},
        ]
    },
}


def schema_files() -> dict[str, bytes]:
    """Every published schema by its file name."""
    return {
        f"{name}.schema.json": (json.dumps(json_schema(cls), indent=2, ensure_ascii=False) + "\n").encode()
        for name, cls in PUBLISHED.items()
    }


def json_schema(cls: type) -> dict[str, Any]:
    """The JSON Schema of one schema dataclass, whole: tables lie in it where they stand in the file."""
    return {"$schema": _DIALECT, **_table(cls)}


def _schema(kind: Any) -> dict[str, Any]:
    if kind in _PLAIN:
        return dict(_PLAIN[kind])
    if dataclasses.is_dataclass(kind):
        return _table(kind)
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Literal:
        return {"enum": list(arguments)}
    if origin in (Union, types.UnionType):
        choices = [_schema(part) for part in arguments if part is not type(None)]
        return choices[0] if len(choices) == 1 else {"anyOf": choices}
    if origin is tuple:
        return {"type": "array", "items": _schema(arguments[0])}
    assert origin is dict, kind
    return {"type": "object", "additionalProperties": _schema(arguments[1])}


def _table(cls: Any) -> dict[str, Any]:
    told = _field_docs(cls)
    properties: dict[str, Any] = {}
    required = []
    for field in dataclasses.fields(cls):
        schema = _schema(hints(cls)[field.name])
        if field.name in told:
            schema["description"] = told[field.name]
        if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            required.append(field.name)
        elif isinstance(field.default, (bool, int, float, str)) and field.default != "":
            schema["default"] = to_raw(field.default)
        properties[field.name] = schema
    return {
        "description": _text(cls.__doc__),
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": False,
    }


def _field_docs(cls: type) -> dict[str, str]:
    """The strings that stand under fields."""
    (body,) = ast.parse(textwrap.dedent(inspect.getsource(cls))).body
    assert isinstance(body, ast.ClassDef)
    found: dict[str, str] = {}
    for field, below in zip(body.body, body.body[1:], strict=False):
        if isinstance(field, ast.AnnAssign) and isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant):
            assert isinstance(field.target, ast.Name) and isinstance(below.value.value, str)
            found[field.target.id] = _text(below.value.value)
    return found


def _text(doc: str | None) -> str:
    return " ".join((doc or "").replace("`", "").split())
