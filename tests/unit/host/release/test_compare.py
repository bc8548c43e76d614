"""What a second build has otherwise is named: inputs in words, and the first byte of the first file."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from edgekit.host.release.assemble import Content, encode_manifest
from edgekit.host.release.compare import Remade, commit_differences, describe_commit, input_differences
from edgekit.host.release.folder import ReleaseFolder, open_release
from edgekit.schema.manifest import Manifest
from edgekit.schema.provenance import BuildDefinition, Resource
from tests.unit.host.release.test_assemble import content, manifest, write
from tests.unit.host.release.test_envelope import DEFINITION

__all__ = ["content"]
MODEL = Resource(name="recipe/model.onnx", digest={"sha256": "4" * 64})


def having(*resources: Resource, base: BuildDefinition = DEFINITION) -> BuildDefinition:
    return dataclasses.replace(base, resolvedDependencies=resources)


def test_the_same_inputs_have_no_difference() -> None:
    assert input_differences(DEFINITION, DEFINITION) == ()


def test_every_other_input_is_named_and_files_come_first() -> None:
    uv, newer = Resource(name="uv", uri="pkg:pypi/uv@0.13.9"), Resource(name="uv", uri="pkg:pypi/uv@0.14.0")
    inside = dataclasses.replace(DEFINITION.internalParameters, python="3.13.1", bytecode="3.11.9")
    here = having(
        dataclasses.replace(MODEL, digest={"sha256": "5" * 64}),
        newer,
        Resource(name="recipe/new.png", digest={"sha256": "6" * 64}),
        base=dataclasses.replace(DEFINITION, internalParameters=inside),
    )
    assert input_differences(having(MODEL, uv, Resource(name="gone", digest={"sha256": "7" * 64})), here) == (
        "recipe/model.onnx: sha256 444444444444 made the release, here it is sha256 555555555555",
        "uv: pkg:pypi/uv@0.13.9 made the release, here it is pkg:pypi/uv@0.14.0",
        "gone: the release was made from it, here it is not used",
        "recipe/new.png: the release was made without it",
        "python: 3.11.7 made the release, here it is 3.13.1",
        "bytecode: none made the release, here it is 3.11.9",
    )


def test_where_a_recipe_lies_and_who_was_to_compile_is_no_input() -> None:
    outside = dataclasses.replace(DEFINITION.externalParameters, path="elsewhere/line", builder="bench")
    inside = dataclasses.replace(DEFINITION.internalParameters, sandbox="none")
    here = dataclasses.replace(DEFINITION, externalParameters=outside, internalParameters=inside)
    assert input_differences(DEFINITION, here) == ()


def test_whether_something_came_from_the_cache_is_no_input() -> None:
    made = dataclasses.replace(MODEL, annotations={"fromCache": False})
    assert input_differences(having(made), having(dataclasses.replace(MODEL, annotations={"fromCache": True}))) == ()


def test_commits_are_told_apart_from_what_is_in_them() -> None:
    def at(commit: str, **annotations: str | bool) -> BuildDefinition:
        return having(Resource(name="source", digest={"gitCommit": commit * 40}, annotations=annotations))

    clean = at("1", dirty=False)
    assert input_differences(clean, at("2", dirty=False)) == ()
    assert commit_differences(clean, clean) == ()
    assert commit_differences(clean, at("2", dirty=False)) == (
        "source: commit 111111111111 made the release, here it is commit 222222222222",
    )
    dirty = at("1", dirty=True, changed="a\nb\nc\nd")
    (words,) = commit_differences(dirty, clean)
    assert words == "source: commit 111111111111 with changes in a, b, c ... made the release, here it is commit 1" + (
        "1" * 11
    )
    assert len(commit_differences(clean, dirty)) == 1
    unknown = Resource(name="source", uri="urn:edgekit:no-commit", annotations={"unknown": "not a git repository"})
    assert describe_commit(unknown) == "no commit (not a git repository)"
    assert len(commit_differences(having(unknown), clean)) == 1
    (words,) = commit_differences(having(unknown), having(unknown))
    assert words.endswith(", in both builds") and "here it is" not in words


@pytest.fixture
def release(content: Content, tmp_path: Path) -> ReleaseFolder:
    write(tmp_path / "release", content)
    return open_release(tmp_path / "release")


def remade(content: Content, **changes: object) -> Remade:
    entries = content.entries()
    made = dataclasses.replace(manifest(content), **changes)  # type: ignore[arg-type]
    assert isinstance(made, Manifest)
    return Remade(encode_manifest(made), entries, dict(content.files), dict(content.texts))


def test_the_same_bytes_are_the_same(content: Content, release: ReleaseFolder) -> None:
    assert remade(content).first_difference(release) == ""


@pytest.mark.parametrize(("written", "offset"), [(b"clap", 2), (b"cli", 3), (b"clips", 4), (b"", 0), (b"\x00lip", 0)])
def test_the_first_byte_that_differs_is_named(
    written: bytes, offset: int, content: Content, release: ReleaseFolder, tmp_path: Path
) -> None:
    (tmp_path / "clip").write_bytes(written)
    assert remade(content).first_difference(release) == f"files/recipe/clip: differs from byte {offset} on"


def test_a_byte_far_behind_is_found(content: Content, tmp_path: Path) -> None:
    large = bytearray(5 << 20)
    (tmp_path / "clip").write_bytes(large)
    write(tmp_path / "release", content)
    large[4_000_000] = 1
    (tmp_path / "clip").write_bytes(large)
    found = remade(content).first_difference(open_release(tmp_path / "release"))
    assert found == "files/recipe/clip: differs from byte 4000000 on"


def test_what_was_made_in_memory_is_compared_too(content: Content, release: ReleaseFolder) -> None:
    other = dataclasses.replace(content, texts={"plan.json": b"{]\n"})
    assert remade(other).first_difference(release) == "files/plan.json: differs from byte 1 on"


def test_what_follows_from_other_files_is_named_after_them(content: Content, release: ReleaseFolder) -> None:
    tool = content.files["site/numpy/tool"]
    tool.write_bytes(b"#!/bin/no\n")
    other = dataclasses.replace(content, texts={"plan.json": b"{]\n"}, known={})
    assert remade(other).first_difference(release) == "files/site/numpy/tool: differs from byte 7 on"


def test_files_that_only_one_of_them_has(content: Content, release: ReleaseFolder, tmp_path: Path) -> None:
    more = dataclasses.replace(content, files={**content.files, "a": tmp_path / "clip"})
    assert remade(more).first_difference(release) == "files/a: is not in the release"
    fewer = dataclasses.replace(content, texts={})
    assert remade(fewer).first_difference(release) == "files/plan.json: is in the release alone"


def test_a_mode_and_what_the_manifest_alone_says(content: Content, release: ReleaseFolder) -> None:
    entry = dataclasses.replace(content.known["site/numpy/tool"], executable=False)
    plain = dataclasses.replace(content, known={"site/numpy/tool": entry})
    expected = "files/site/numpy/tool: is executable in the release alone"
    assert remade(plain).first_difference(release) == expected
    assert remade(content, edgekit="9.9.9").first_difference(release) == "manifest.json: edgekit is another"
