"""JSON Schemas made from types: of the files that users write, for editors, and of what sinks write, for programs."""

from __future__ import annotations

import ast
import dataclasses
import functools
import inspect
import json
import textwrap
import types
from typing import Any, Literal, Union, get_args, get_origin

from edgekit.schema.bounds import Between, Length, Matches
from edgekit.schema.field_types import bounds_of, hints, tagged
from edgekit.schema.fleet import Fleet
from edgekit.schema.line import ResultLine
from edgekit.schema.reader import to_raw
from edgekit.schema.recipe import Recipe
from edgekit.schema.result import ClipNote, PostedCounts, PostedEvent
from edgekit.schema.settings import NEVER_SET, REFERENCE
from edgekit.schema.sink import RecipeSink
from edgekit.schema.source import RecipeSource
from edgekit.schema.stages import RecipeStage
from edgekit.schema.target import TargetFile
from edgekit.schema.units import (
    ANY_SIZE,
    CLUSTER_PATTERN,
    CPUS_PATTERN,
    MAX_BYTES,
    MAX_CLUSTERS,
    MAX_CPU,
    MAX_CPUS,
    Bytes,
    CpuList,
    Cpus,
    SmallestUnit,
)

PUBLISHED: dict[str, type] = {"fleet": Fleet, "recipe": Recipe, "target": TargetFile}
"""Of what users write, by name: `recipe` becomes `recipe.schema.json`."""
WRITTEN: dict[str, Any] = {"line": ResultLine, "webhook": PostedEvent | PostedCounts, "clip": ClipNote}
"""Of what sinks write: a line of `jsonl`, what `webhook` posts (one of a list, if it is one), the note of a clip."""
_DIALECT = "http://json-schema.org/draft-07/schema#"  # the newest that TOML plug-ins of editors know
_CPU = {"type": "integer", "minimum": 0, "maximum": MAX_CPU}
_CPU_LIST = (
    {"type": "string", "pattern": f"^(?:{CPUS_PATTERN})$"},
    {"type": "array", "items": _CPU, "minItems": 1, "maxItems": MAX_CPUS},
)
_CLUSTER = {"type": "string", "pattern": f"^(?:{CLUSTER_PATTERN})$"}
_SOME_CLUSTERS = {"minItems": 1, "maxItems": MAX_CLUSTERS}
_PLAIN: dict[object, dict[str, Any]] = {
    str: {"type": "string"},
    int: {"type": "integer"},
    float: {"type": "number"},
    bool: {"type": "boolean"},
    Any: {},
    Cpus: {"anyOf": [_CPU, *_CPU_LIST]},
    CpuList: {"anyOf": [*_CPU_LIST, _CLUSTER, {"type": "array", "items": _CLUSTER, **_SOME_CLUSTERS}]},
}


_SETTING = {
    "type": "object",
    "properties": {REFERENCE: {"type": "string"}},
    "required": [REFERENCE],
    "additionalProperties": False,
}


def schema_files() -> dict[str, bytes]:
    """Every published schema by its file name."""
    return {
        f"{name}.schema.json": (json.dumps(json_schema(cls), indent=2, ensure_ascii=False) + "\n").encode()
        for name, cls in {**PUBLISHED, **WRITTEN}.items()
    }


def json_schema(kind: Any) -> dict[str, Any]:
    """The JSON Schema of one schema dataclass, or of some, whole: tables lie in it where they stand in the file."""
    return {"$schema": _DIALECT, **_schema(kind)}


def _schema(kind: Any) -> dict[str, Any]:
    kind, bounds = bounds_of(kind)
    if kind is Bytes:
        return _size(*bounds)
    schema = _unbounded(kind)
    for bound in bounds:
        schema |= _keywords(bound, kind)
    return schema


def _unbounded(kind: Any) -> dict[str, Any]:
    if kind in _PLAIN:
        return dict(_PLAIN[kind])
    if dataclasses.is_dataclass(kind):
        return _table(kind)
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Literal:
        return {"const": arguments[0]} if len(arguments) == 1 else {"enum": list(arguments)}
    if origin in (Union, types.UnionType):
        parts = tuple(part for part in arguments if part is not type(None))
        choices = [_schema(part) for part in parts]
        return choices[0] if len(choices) == 1 else {"oneOf" if tagged(parts) else "anyOf": choices}
    if origin is tuple:
        return {"type": "array", "items": _schema(arguments[0])}
    assert origin is dict, kind
    names = [_keywords(bound, str) for bound in bounds_of(arguments[0])[1]]
    return {
        "type": "object",
        **({"propertyNames": names[0]} if names else {}),
        "additionalProperties": _schema(arguments[1]),
    }


def _size(smallest: SmallestUnit = ANY_SIZE) -> dict[str, Any]:
    number = {"type": "integer", "minimum": smallest.least, "maximum": MAX_BYTES}
    return {"anyOf": [number, {"type": "string", "pattern": f"^(?:{smallest.pattern})$"}]}


def _keywords(bound: Any, kind: Any) -> dict[str, Any]:
    """What JSON Schema calls a bound."""
    found: dict[str, Any]
    match bound:
        case Between(minimum=minimum, maximum=maximum, above=above):
            found = {"minimum": minimum, "maximum": maximum, "exclusiveMinimum": above}
        case Length(minimum=minimum, maximum=maximum):
            things = "Properties" if get_origin(kind) is dict else "Items"
            found = {f"min{things}": minimum, f"max{things}": maximum}
        case Matches(pattern=pattern):
            found = {"pattern": f"^(?:{pattern})$"}
        case _:
            raise TypeError(bound)
    return {key: _plain(value) for key, value in found.items() if value is not None}


def _plain(value: Any) -> Any:
    """600 for 600.0: of annotations that are equal `typing` keeps whichever was read first, by whatever module."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _table(cls: Any) -> dict[str, Any]:
    docs = _field_docs(cls)
    properties: dict[str, Any] = {}
    required = []
    for field in dataclasses.fields(cls):
        schema = _schema(hints(cls)[field.name])
        if cls in _set_types() and field.name not in NEVER_SET:
            schema = {"anyOf": [schema, _SETTING]}
        if field.name in docs:
            schema["description"] = docs[field.name]
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


@functools.cache
def _set_types() -> frozenset[Any]:
    """Tables whose values may come from settings."""
    options = [hints(stage)["options"] for stage in get_args(RecipeStage) if "options" in hints(stage)]
    ends = [kind for union in (RecipeSource, RecipeSink) for kind in get_args(union) or (union,)]
    return frozenset([*ends, *(kind for kind in options if isinstance(kind, type))])


def _field_docs(cls: type) -> dict[str, str]:
    """The strings that stand under fields, also under those that a class has of others."""
    found: dict[str, str] = {}
    for base in cls.__bases__:
        found |= _field_docs(base) if dataclasses.is_dataclass(base) else {}
    (body,) = ast.parse(textwrap.dedent(inspect.getsource(cls))).body
    assert isinstance(body, ast.ClassDef)
    for field, below in zip(body.body, body.body[1:], strict=False):
        if isinstance(field, ast.AnnAssign) and isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant):
            assert isinstance(field.target, ast.Name) and isinstance(below.value.value, str)
            found[field.target.id] = _text(below.value.value)
    return found


def _text(doc: str | None) -> str:
    return " ".join((doc or "").replace("`", "").split())
