"""A build is taken from its record only while every input and the release itself are as they were."""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path

import pytest

from edgekit.host.release.record import BuildRecord, Built, BuiltRelease, Inputs

RELEASE = BuiltRelease(
    digest="d", path="out", target="board", wheels=("numpy==2.2",), engines=(), files=1, bytes=4, from_cache=False
)
BUILT = Built(application="line", version="1.0.0", release=RELEASE, notes=("warning: w",))


class Bench:
    """A recipe, a release, and the records of its builds."""

    def __init__(self, folder: Path) -> None:
        self.recipe, self.out, self._cache = folder / "recipe", folder / "out", folder / "cache"
        self.recipe.mkdir()
        (self.recipe / "recipe.toml").write_text("recipe")
        self.words = ("--target", "board")
        self.write()

    def write(self) -> None:
        """What a build leaves."""
        (self.out / "files").mkdir(parents=True, exist_ok=True)
        for name in ("manifest.json", "manifest.json.sig", "provenance.json", "files/clip"):
            (self.out / name).write_text(name)

    def begin(self):  # type: ignore[no-untyped-def]
        inputs = Inputs(folders=(self.recipe,), files=(), words=self.words)
        return BuildRecord(inputs, self.out, self._cache)

    def find(self) -> Built | None:
        return self.begin().find()  # type: ignore[no-any-return]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    made = Bench(tmp_path)
    while time.time_ns() < (made.recipe / "recipe.toml").stat().st_ctime_ns + 1_100_000_000:
        time.sleep(0.05)  # ctime cannot be set: wait until the file counts as settled
    return made


def test_a_build_is_reported_again_as_one_from_the_cache(bench: Bench) -> None:
    assert bench.find() is None
    bench.begin().save(BUILT)
    assert bench.find() == dataclasses.replace(BUILT, release=dataclasses.replace(RELEASE, from_cache=True))


@pytest.mark.parametrize(
    "change", ["recipe", "words", "file", "manifest", "signature", "provenance", "extra", "gone", "bytecode"]
)
def test_any_change_asks_for_a_build(bench: Bench, change: str) -> None:
    bench.begin().save(BUILT)
    match change:
        case "recipe":
            (bench.recipe / "recipe.toml").write_text("another")
        case "words":
            bench.words = ("--target", "other")
        case "file":
            (bench.out / "files" / "clip").write_text("damaged")
        case "manifest" | "provenance":
            (bench.out / f"{change}.json").write_text("x")
        case "signature":
            (bench.out / "manifest.json.sig").write_text("x")
        case "extra":
            (bench.out / "files" / "more").touch()
        case "gone":
            bench.out.rename(bench.out.with_name("elsewhere"))
        case "bytecode":
            (bench.out / "files" / "__pycache__").mkdir()
            (bench.out / "files" / "__pycache__" / "x.pyc").touch()
    assert bench.find() is None


def test_an_input_that_changes_during_the_build_is_not_remembered(bench: Bench) -> None:
    build = bench.begin()
    (bench.recipe / "recipe.toml").write_text("changed")
    build.save(BUILT)
    assert bench.find() is None


def test_an_input_that_changed_just_before_is_not_remembered(bench: Bench) -> None:
    (bench.recipe / "recipe.toml").write_text("changed")
    bench.begin().save(BUILT)
    assert bench.find() is None


def test_a_build_without_a_release_is_not_remembered(bench: Bench) -> None:
    build = bench.begin()
    (bench.out / "manifest.json").unlink()
    build.save(BUILT)
    bench.write()
    assert bench.find() is None


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"inputs": 1}'])
def test_a_damaged_record_is_forgotten(bench: Bench, text: str, tmp_path: Path) -> None:
    bench.begin().save(BUILT)
    (record,) = (tmp_path / "cache" / "builds").iterdir()
    record.write_text(text)
    assert bench.find() is None
