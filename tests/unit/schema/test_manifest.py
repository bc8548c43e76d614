"""Manifests that reach outside their folder, or that no device could hold, are refused."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgekit.errors import TrustError
from edgekit.schema.manifest import (
    FORMAT,
    MAX_FILES,
    FileEntry,
    Manifest,
    Requires,
    check_manifest,
    is_safe_path,
)
from edgekit.schema.message import from_message, to_message

DIGEST = "0f" * 32


def manifest(*paths: str, **changes: Any) -> Manifest:
    whole = Manifest(
        format=FORMAT,
        application="belt",
        version="1.0.0",
        target="virt-arm64",
        edgekit="0.1.0",
        requires=Requires(
            arch="aarch64",
            libc_version="2.36",
            python="3.11",
            cpus=(1,),
            memory_bytes=1,
            disk_bytes=1,
            cgroup_controllers=(),
        ),
        files=tuple(FileEntry(path=path, sha256=DIGEST, bytes=1) for path in paths),
        wheels=(),
        engines=(),
    )
    return dataclasses.replace(whole, **changes)


def test_usual_manifest_is_taken_and_comes_back() -> None:
    usual = manifest("plan.json", "site/a/b.py", "site/a/c.py", "recipe/clip ä.mp4", "site/.hidden", "site/a...b")
    check_manifest(usual)
    assert from_message(Manifest, to_message(usual), "manifest.json") == usual


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/etc/passwd",
        "../x",
        "a/../x",
        "a/..",
        "./a",
        "a//b",
        "a/",
        "a\\b",
        "a\0b",
        "a\nb",
        "a\x1b[2Jb",
        "a\u202eb",
        "\ud800",
        "x" * 256,
        "ä" * 128,
        "a/" * 600 + "b",
        "manifest.json",
        "manifest.json.sig",
    ],
)
def test_odd_paths_are_refused(path: str) -> None:
    with pytest.raises(TrustError, match="the manifest is refused: path"):
        check_manifest(manifest("plan.json", path))


@pytest.mark.parametrize("path", ["x" * 255, "ä" * 127, "a/manifest.json", "site/-rf", "..."])
def test_unusual_paths_are_taken(path: str) -> None:
    check_manifest(manifest(path))


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (manifest("a", "a"), "a comes twice"),
        (manifest("a/b/c", "a/b"), "a/b is a file and a folder"),
        (manifest("manifest.json/x"), "manifest.json is no folder"),
        (manifest("provenance.json.sig/x/y"), "provenance.json.sig is no folder"),
        (manifest(format=2), "format 2, known is 1"),
        (manifest(files=(FileEntry(path="a", sha256=DIGEST.upper(), bytes=1),)), "digest or size of a"),
        (manifest(files=(FileEntry(path="a", sha256=DIGEST + "\n", bytes=1),)), "digest or size of a"),
        (manifest(files=(FileEntry(path="a", sha256="../" + DIGEST[3:], bytes=1),)), "digest or size of a"),
        (manifest(files=(FileEntry(path="a", sha256=DIGEST, bytes=-1),)), "digest or size of a"),
        (manifest(files=(FileEntry(path="a", sha256=DIGEST, bytes=10**30),)), "digest or size of a"),
        (manifest(files=(FileEntry(path="a", sha256=DIGEST, bytes=1),) * (MAX_FILES + 1)), "files, allowed are"),
    ],
    ids=[
        "twice",
        "file and folder",
        "reserved",
        "reserved, deep",
        "format",
        "upper case",
        "newline",
        "path in digest",
        "negative",
        "huge",
        "many",
    ],
)
def test_odd_manifests_are_refused(changed: Manifest, said: str) -> None:
    with pytest.raises(TrustError, match=said) as caught:
        check_manifest(changed)
    assert caught.value.exit_code == 6


@pytest.mark.parametrize(
    "path", ["/bin/sh", "python3", "/usr/bin/python3 -c", "/usr/bin/../../x", "/usr/bin/python3\n"]
)
def test_interpreter_that_is_none_is_refused(path: str) -> None:
    usual = manifest().requires
    with pytest.raises(TrustError, match="the manifest is refused: interpreter"):
        check_manifest(manifest(requires=dataclasses.replace(usual, python_path=path)))


@pytest.mark.parametrize("path", ["", "/usr/bin/python3", "/opt/python/3.11/bin/python3.11"])
def test_interpreters(path: str) -> None:
    check_manifest(manifest(requires=dataclasses.replace(manifest().requires, python_path=path)))


@settings(max_examples=200)
@given(st.text(alphabet="ab./\\\0\n~-", max_size=12))
def test_safe_paths_stay_in_their_folder(path: str) -> None:
    if is_safe_path(path):
        assert "/../" not in f"/{path}/"
        assert not path.startswith("/")
        assert "\0" not in path
