"""Releases are whole or not there, list what they hold, and are never written over something else."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from edgekit.errors import InputError, TrustError
from edgekit.host.release.assemble import Content, Signed, finish_manifest, write_release
from edgekit.host.release.folder import open_release, third_party_files
from edgekit.host.release.sbom import make_sbom
from edgekit.schema.manifest import FORMAT, EngineEntry, Manifest, Requires, WheelEntry
from edgekit.schema.reader import from_toml
from edgekit.schema.recipe import Recipe

RECIPE = from_toml(Recipe, (Path(__file__).parents[4] / "recipes/sorting-line/recipe.toml").read_text(), "recipe.toml")
REQUIRES = Requires(
    arch="aarch64", libc_version="2.36", python="3.11", cpus=(0,), memory_bytes=1, disk_bytes=1, cgroup_controllers=()
)


@pytest.fixture
def content(tmp_path: Path) -> Content:
    (tmp_path / "clip").write_bytes(b"clip")
    tool = tmp_path / "tool"
    tool.write_bytes(b"#!/bin/sh\n")
    tool.chmod(0o755)
    known = Content(files={"site/numpy/tool": tool}, texts={}, known={}).entries()[0]
    return Content(
        files={"recipe/clip": tmp_path / "clip", "site/edgekit/x.py": tmp_path / "clip", "site/numpy/tool": tool},
        texts={"plan.json": b"{}\n"},
        known={"site/numpy/tool": known},
    )


def manifest() -> Manifest:
    return Manifest(
        format=FORMAT,
        application="line",
        version="1.0.0",
        target="board",
        edgekit="0.1.0",
        requires=REQUIRES,
        files=(),
        wheels=(),
        engines=(),
    )


def test_a_release_is_written_read_and_lists_everything(content: Content, tmp_path: Path) -> None:
    made = finish_manifest(manifest(), content)
    out = tmp_path / "out" / "release"
    write_release(out, content, Signed(manifest=made, signature=b"signature"))
    found = open_release(out)
    assert found.digest == hashlib.sha256(made).hexdigest()
    assert found.signature == b"signature"
    assert [entry.path for entry in found.manifest.files] == sorted(content.files.keys() | content.texts.keys())
    for entry in found.manifest.files:
        assert hashlib.sha256(found.file(entry).read_bytes()).hexdigest() == entry.sha256
    assert [entry.path for entry in third_party_files(found.manifest)] == ["site/numpy/tool"]
    assert sorted(path.name for path in out.parent.iterdir()) == ["release"], "nothing is left beside it"


def test_a_release_replaces_a_release_and_nothing_else(content: Content, tmp_path: Path) -> None:
    signed = Signed(manifest=finish_manifest(manifest(), content), signature=b"")
    write_release(tmp_path / "r", content, signed)
    write_release(tmp_path / "r", content, signed)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("precious")
    with pytest.raises(InputError, match="no release"):
        write_release(tmp_path / "mine", content, signed)
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "precious"


def test_files_of_a_release_are_copies(content: Content, tmp_path: Path) -> None:
    signed = Signed(manifest=finish_manifest(manifest(), content), signature=b"")
    write_release(tmp_path / "r", content, signed)
    (tmp_path / "r/files/recipe/clip").write_bytes(b"edited")
    assert (tmp_path / "clip").read_bytes() == b"clip"


def test_paths_that_leave_the_folder_are_refused(content: Content) -> None:
    bad = Content(files={}, texts={"../x": b""}, known={})
    with pytest.raises(TrustError, match=r"\.\./x"):
        finish_manifest(manifest(), bad)


@pytest.mark.parametrize("text", [None, "", "{", '{"format": 1}'])
def test_what_is_no_release_is_told(text: str | None, tmp_path: Path) -> None:
    if text is not None:
        (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(InputError):
        open_release(tmp_path)


def test_the_sbom_names_packages_and_models_and_is_the_same_twice(tmp_path: Path) -> None:
    wheel = WheelEntry(
        name="numpy", version="2.4.6", filename="numpy-2.4.6-x.whl", sha256="a" * 64, source="downloaded"
    )
    info = tmp_path / "numpy-2.4.6.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Name: numpy\nLicense-Expression: BSD-3-Clause\n")
    engine = EngineEntry(name="parts", runner="onnxruntime", path="engines/parts.onnx", model_sha256="b" * 64, facts={})
    first = make_sbom(RECIPE, [wheel], [engine], tmp_path)
    assert first == make_sbom(RECIPE, [wheel], [engine], tmp_path)
    found = json.loads(first)
    assert (found["bomFormat"], found["specVersion"]) == ("CycloneDX", "1.6")
    assert "timestamp" not in found["metadata"]
    parts = {part["name"]: part for part in found["components"]}
    assert parts["numpy"]["purl"] == "pkg:pypi/numpy@2.4.6"
    assert parts["numpy"]["hashes"] == [{"alg": "SHA-256", "content": "a" * 64}]
    assert parts["numpy"]["licenses"][0]["license"]["name"] == "BSD-3-Clause"
    assert parts["parts"]["type"] == "machine-learning-model"
    assert set(parts) == {"edgekit", "numpy", "parts"}
