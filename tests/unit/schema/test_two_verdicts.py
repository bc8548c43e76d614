"""The reader and the JSON Schemas say the same of any file: what an editor marks is what a build refuses."""

from __future__ import annotations

import dataclasses
import functools
import json
import re
from collections.abc import Iterator
from typing import Any, get_args

import jsonschema
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgekit.schema.bounds import Between
from edgekit.schema.field_types import bounds_of, hints
from edgekit.schema.json_schema import PUBLISHED, schema_files
from edgekit.schema.reader import problems_in
from edgekit.schema.stages import RecipeStage
from edgekit.schema.toml import parse_toml
from tests.fakes.written_files import changed, written

FILES = {name: written(cls) for name, cls in PUBLISHED.items()}


def _pattern(validator: Any, pattern: str, instance: Any, schema: Any) -> Iterator[jsonschema.ValidationError]:
    """As ECMAScript has it: `$` is the end of the text, not the place before its last line feed."""
    if isinstance(instance, str) and not re.search(pattern.removesuffix("$") + r"\Z", instance):
        yield jsonschema.ValidationError(f"{instance!r} does not match {pattern!r}")


Validator = jsonschema.validators.extend(jsonschema.Draft7Validator, {"pattern": _pattern})


@functools.cache
def validator(name: str) -> Any:
    return Validator(json.loads(schema_files()[f"{name}.schema.json"]))


def verdicts(name: str, raw: Any) -> tuple[bool, bool]:
    """Of the reader and of the schema: whether it is right."""
    return not problems_in(PUBLISHED[name], raw, f"{name}.toml"), validator(name).is_valid(raw)


def toml_of(raw: Any) -> str:
    """TOML of a file, whose inline tables and lists are as JSON has them."""
    if isinstance(raw, dict):
        return "{" + ", ".join(f"{toml_of(key)} = {toml_of(value)}" for key, value in raw.items()) + "}"
    if isinstance(raw, list):
        return "[" + ", ".join(map(toml_of, raw)) + "]"
    return json.dumps(raw, ensure_ascii=False).replace("\x7f", "\\u007f")


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
@pytest.mark.parametrize("name", FILES)
def test_what_the_types_say_is_right_for_both(name: str, data: st.DataObject) -> None:
    raw = data.draw(FILES[name])
    assert verdicts(name, raw) == (True, True), problems_in(PUBLISHED[name], raw, "file")


@settings(max_examples=250, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
@pytest.mark.parametrize("name", FILES)
def test_after_any_change_both_say_the_same(name: str, data: st.DataObject) -> None:
    raw = data.draw(changed(FILES[name]))
    reader, schema = verdicts(name, raw)
    assert reader == schema, problems_in(PUBLISHED[name], raw, "file")


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
@pytest.mark.parametrize("kind", get_args(RecipeStage), ids=lambda kind: kind.__name__)
def test_options_of_each_kind_of_stage(kind: type, data: st.DataObject) -> None:
    """Those of one kind at a time, so that every option is changed often."""
    file = json.loads(json.dumps(GOOD))
    file["pipeline"]["stages"]["one"] = data.draw(changed(written(kind)))
    reader, schema = verdicts("recipe", file)
    assert reader == schema, problems_in(PUBLISHED["recipe"], file, "file")


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_a_file_is_the_same_written_and_parsed(data: st.DataObject) -> None:
    raw = data.draw(FILES["recipe"])
    text = "".join(f"{toml_of(key)} = {toml_of(value)}\n" for key, value in raw.items())
    assert verdicts("recipe", parse_toml(text, "recipe.toml")) == (True, True)


GOOD = {
    "name": "belt",
    "version": "1.0.0",
    "pipeline": {
        "sources": {"clip": {"kind": "file", "path": "clip.mp4", "lane": "all"}},
        "stages": {},
        "sinks": {"log": {"kind": "jsonl", "path": "-", "lane": "all"}},
        "lanes": {"all": {}},
    },
    "limits": {"memory_max": "400MiB"},
}


def test_the_good_one_is_good() -> None:
    assert verdicts("recipe", GOOD) == (True, True)


@pytest.mark.parametrize("name", PUBLISHED)
def test_every_number_that_a_user_writes_has_bounds(name: str) -> None:
    assert list(_unbounded(PUBLISHED[name], name)) == []


def _unbounded(kind: Any, place: str) -> Iterator[str]:
    kind, bounds = bounds_of(kind)
    if kind in (int, float) and not any(isinstance(bound, Between) for bound in bounds):
        yield place
    if dataclasses.is_dataclass(kind):
        for field in dataclasses.fields(kind):
            yield from _unbounded(hints(kind)[field.name], f"{place}.{field.name}")
    for part in get_args(kind):
        if part is not Ellipsis and not isinstance(part, (str, int)):
            yield from _unbounded(part, place)
