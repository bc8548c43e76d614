"""The schemas for editors say what the reader says."""

from __future__ import annotations

import functools
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import jsonschema
import pytest

import edgekit
from edgekit.schema.bounds import Between
from edgekit.schema.json_schema import json_schema, schema_files
from edgekit.schema.recipe import Recipe
from edgekit.schema.target import TargetFile

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

PACKAGE = Path(edgekit.__file__).parent
COMMITTED = PACKAGE / "schema/json"
FILES = [*(PACKAGE.parent / "targets").glob("*.toml"), *(PACKAGE.parent / "recipes").glob("*/recipe.toml")]


@functools.cache
def validator(name: str) -> jsonschema.Draft7Validator:
    return jsonschema.Draft7Validator(json.loads(schema_files()[f"{name}.schema.json"]))


def faults(name: str, raw: Any) -> list[str]:
    return [error.json_path for error in validator(name).iter_errors(raw)]


def test_committed_schemas_are_fresh() -> None:
    assert {file.name: file.read_bytes() for file in COMMITTED.iterdir()} == schema_files(), "make golden"


def test_a_bound_is_written_the_same_whoever_was_read_first() -> None:
    """Of bounds that are equal, `typing` keeps one for all modules."""

    @dataclass(frozen=True)
    class Timed:
        seconds: Annotated[float, Between(0.0, 4321.0)]

    assert '"minimum": 0, "maximum": 4321}' in json.dumps(json_schema(Timed))


@pytest.mark.parametrize("name", ["fleet", "recipe", "target"])
def test_schemas_are_schemas(name: str) -> None:
    jsonschema.Draft7Validator.check_schema(validator(name).schema)


@pytest.mark.parametrize("file", FILES, ids=lambda file: f"{file.parent.name}/{file.name}")
def test_shipped_files_fit_and_name_their_schema(file: Path) -> None:
    text = file.read_text()
    schema = "recipe" if file.name == "recipe.toml" else "target"
    assert faults(schema, tomllib.loads(text)) == []
    first, _, named = text.partition("\n")[0].partition(" ")
    assert first == "#:schema"
    assert (file.parent / named).resolve() == COMMITTED / f"{schema}.schema.json"


def test_fleet_fits() -> None:
    device = {"address": "root@10.0.0.7", "labels": {"site": "north"}, "service": "process"}
    assert faults("fleet", {"devices": {"belt-1": device}, "allowed_signers": "signers"}) == []
    assert faults("fleet", {"devices": {"belt-1": {**device, "service": "cron"}}}) == ["$.devices['belt-1'].service"]


@pytest.mark.parametrize(
    ("key", "value", "path"),
    [
        ("title", 5, "$.title"),
        ("titel", "x", "$"),
        ("memory", {"total_bytes": "much"}, "$.memory.total_bytes"),
        ("memory", {}, "$.memory"),
        ("os", {"id": "debian"}, "$.os"),
        ("clusters", [{"name": "a", "cpus": "x"}], "$.clusters[0].cpus"),
        ("cgroup", {"version": 3}, "$.cgroup.version"),
        ("this_machine", "yes", "$.this_machine"),
    ],
)
def test_mistakes_show_in_editors(key: str, value: object, path: str) -> None:
    good = {"name": "box", "title": "A box"}
    assert faults("target", good) == []
    assert path in faults("target", {**good, key: value})


def test_what_stands_under_fields_is_told() -> None:
    target = json_schema(TargetFile)["properties"]
    assert target["os"]["properties"]["id"]["description"] == "ID of os-release: debian, ubuntu."
    assert target["clusters"]["items"]["description"] == "CPUs that share a frequency and a strength."
    assert target["cgroup"]["properties"]["version"] == {"enum": [1, 2], "default": 2}
    limits = json_schema(Recipe)["properties"]["limits"]
    assert limits["required"] == ["memory_max"]
    assert {choice.get("type") for choice in limits["properties"]["cpus"]["anyOf"]} == {"integer", None}
