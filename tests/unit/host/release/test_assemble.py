"""Releases are whole or not there, list what they hold, and are never written over something else."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import pytest

from edgekit.errors import InputError, TrustError
from edgekit.host.release.assemble import Content, Signed, encode_manifest, write_release
from edgekit.host.release.folder import open_release, third_party_files
from edgekit.host.release.sbom import make_sbom
from edgekit.schema.manifest import FORMAT, EngineEntry, Manifest, Requires, WheelEntry
from edgekit.schema.provenance import MAX_PROVENANCE_BYTES
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


def manifest(content: Content) -> Manifest:
    return Manifest(
        format=FORMAT,
        application="line",
        version="1.0.0",
        target="board",
        edgekit="0.1.0",
        requires=REQUIRES,
        files=content.entries(),
        wheels=(),
        engines=(),
    )


def write(out: Path, content: Content, signature: bytes = b"", provenance: bytes = b"{}") -> bytes:
    made = encode_manifest(manifest(content))
    signed = Signed(manifest=made, files=content.entries(), signature=signature, provenance=provenance)
    write_release(out, content, signed, notes=out.parent.parent / "notes")
    return made


def test_a_release_is_written_read_and_lists_everything(content: Content, tmp_path: Path) -> None:
    out = tmp_path / "out" / "release"
    made = write(out, content, b"signature")
    found = open_release(out)
    assert found.digest == hashlib.sha256(made).hexdigest()
    assert (found.signature, found.provenance) == (b"signature", b"{}")
    assert [entry.path for entry in found.manifest.files] == sorted(content.files.keys() | content.texts.keys())
    for entry in found.manifest.files:
        assert hashlib.sha256(found.file(entry).read_bytes()).hexdigest() == entry.sha256
    assert [entry.path for entry in third_party_files(found.manifest)] == ["site/numpy/tool"]
    assert sorted(path.name for path in out.parent.iterdir()) == ["release"], "nothing is left beside it"


def test_a_release_replaces_a_release_and_nothing_else(content: Content, tmp_path: Path) -> None:
    write(tmp_path / "r", content)
    write(tmp_path / "r", content, b"another")
    assert open_release(tmp_path / "r").signature == b"another"
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("precious")
    with pytest.raises(InputError, match="no release"):
        write(tmp_path / "mine", content)
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "precious"


def test_files_of_a_release_are_copies(content: Content, tmp_path: Path) -> None:
    write(tmp_path / "r", content)
    (tmp_path / "r/files/recipe/clip").write_bytes(b"edited")
    assert (tmp_path / "clip").read_bytes() == b"clip"


def test_a_release_that_stands_whole_is_left_alone(content: Content, tmp_path: Path) -> None:
    write(tmp_path / "r", content)
    before = (tmp_path / "r").stat().st_ino
    write(tmp_path / "r", content)
    assert (tmp_path / "r").stat().st_ino == before


@pytest.mark.parametrize("harm", ["edited", "same size", "gone", "added", "mode", "link", "manifest", "signature"])
def test_a_release_that_was_damaged_is_written_again(harm: str, content: Content, tmp_path: Path) -> None:
    out = tmp_path / "r"
    write(out, content)
    write(out, content)
    clip = out / "files/recipe/clip"
    times = clip.stat()
    match harm:
        case "edited":
            clip.write_bytes(b"edited")
        case "same size":
            clip.write_bytes(b"CLIP")
            os.utime(clip, ns=(times.st_atime_ns, times.st_mtime_ns))
        case "gone":
            clip.unlink()
        case "added":
            (out / "files/app").mkdir()
            (out / "files/app/extra.py").touch()
        case "mode":
            (out / "files/site/numpy/tool").chmod(0o644)
        case "link":
            clip.rename(out.parent / "elsewhere")
            clip.symlink_to(out.parent / "elsewhere")
        case "manifest":
            (out / "manifest.json").write_bytes(b"{}")
        case "signature":
            (out / "manifest.json.sig").unlink()
    made = write(out, content)
    found = open_release(out)
    assert (found.manifest_bytes, clip.read_bytes(), clip.is_symlink()) == (made, b"clip", False)
    assert os.access(out / "files/site/numpy/tool", os.X_OK)
    assert not (out / "files/app").exists()


def test_the_same_release_made_once_more_is_left_as_it_is_but_for_its_provenance(
    content: Content, tmp_path: Path
) -> None:
    out = tmp_path / "r"
    write(out, content, provenance=b"yesterday")
    before = (out / "files/recipe/clip").stat().st_ino
    write(out, content, provenance=b"today")
    assert open_release(out).provenance == b"today"
    assert (out / "files/recipe/clip").stat().st_ino == before


def test_what_is_too_large_to_be_a_provenance_is_none(content: Content, tmp_path: Path) -> None:
    write(tmp_path / "r", content)
    with (tmp_path / "r/provenance.json").open("r+b") as file:
        file.truncate(MAX_PROVENANCE_BYTES + 1)
    assert open_release(tmp_path / "r").provenance == b""


def test_a_file_that_changes_while_the_release_is_made_is_refused(content: Content, tmp_path: Path) -> None:
    made = encode_manifest(manifest(content))
    signed = Signed(manifest=made, files=content.entries(), signature=b"", provenance=b"")
    (tmp_path / "clip").write_bytes(b"changed since")
    with pytest.raises(InputError, match="clip is not what it was"):
        write_release(tmp_path / "r", content, signed, notes=tmp_path / "notes")
    assert not (tmp_path / "r").exists()


def test_a_cached_file_that_became_a_link_is_not_followed(content: Content, tmp_path: Path) -> None:
    made = encode_manifest(manifest(content))
    signed = Signed(manifest=made, files=content.entries(), signature=b"", provenance=b"")
    (tmp_path / "tool").rename(tmp_path / "secret")
    (tmp_path / "tool").symlink_to(tmp_path / "secret")
    with pytest.raises(InputError, match="cannot be written"):
        write_release(tmp_path / "r", content, signed, notes=tmp_path / "notes")


def test_a_recipes_program_stays_executable(tmp_path: Path) -> None:
    (tmp_path / "tool").write_bytes(b"#!/bin/sh")
    (tmp_path / "tool").chmod(0o755)
    entries = Content(files={"app/tool": tmp_path / "tool"}, texts={}, known={}).entries()
    assert [entry.executable for entry in entries] == [True]


def test_paths_that_leave_the_folder_are_refused(content: Content) -> None:
    bad = Content(files={}, texts={"../x": b""}, known={})
    with pytest.raises(TrustError, match=r"\.\./x"):
        encode_manifest(manifest(bad))


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
