"""A build is refused before any work where something is missing, and does nothing where nothing has changed."""

from __future__ import annotations

import dataclasses
import shutil
import time
from pathlib import Path

import pytest

from edgekit.errors import InputError, TrustError
from edgekit.executor import Completed
from edgekit.host.release.record import BuildRecord, Built, BuiltRelease
from edgekit.host.snapshot import Snapshot, take_snapshot
from edgekit.host.workflow.build import build_release
from edgekit.host.workflow.build_inputs import BuildOptions, inputs_of, outline_of
from edgekit.host.workflow.release_job import outline_of_job, read_job
from edgekit.host.workflow.workstation import Workstation
from edgekit.schema.message import to_message
from tests.fakes.notes import Notes
from tests.fakes.profiles import profile
from tests.fakes.workstations import workstation_in
from tests.unit.host.test_git import git

RECIPE = Path(__file__).parents[4] / "recipes/sorting-line"
TARGET = "rk3588-debian12"


class NoPrograms:
    """A machine on which no program may be started."""

    name = "this machine"

    def run(self, argv, **_options) -> Completed:
        raise AssertionError(f"{argv[0]} was started")

    stream = run

    def close(self) -> None:
        """Nothing is open."""


@pytest.fixture
def station(tmp_path: Path) -> Workstation:
    made = workstation_in(tmp_path / "home", Notes())
    made.settings.config_dir.mkdir(parents=True)
    made.settings.signing_key.write_text("a key")
    return dataclasses.replace(made, executor=NoPrograms())


def test_releases_are_signed_or_not_built(station: Workstation) -> None:
    station.settings.signing_key.unlink()
    with pytest.raises(TrustError, match="is not there: releases are signed"):
        build_release(RECIPE, TARGET, BuildOptions(), station)


def test_a_key_that_is_not_there_is_not_cured_by_making_ones_own(station: Workstation, tmp_path: Path) -> None:
    with pytest.raises(TrustError, match="is not there: releases are signed") as caught:
        build_release(RECIPE, TARGET, BuildOptions(key=tmp_path / "none"), station)
    assert caught.value.hint == "give a key's file, or leave --key out to sign with your own"


def test_a_folder_of_other_things_is_refused_before_anything_is_made(station: Workstation, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").touch()
    with pytest.raises(InputError, match="holds something that is no release"):
        build_release(RECIPE, TARGET, BuildOptions(out=tmp_path), station)
    assert not station.settings.cache_dir.exists()


@pytest.mark.parametrize("target", [TARGET, "virt-arm64"])
def test_a_builder_that_nobody_would_ask_is_refused(station: Workstation, target: str) -> None:
    with pytest.raises(InputError, match=f"--builder bench: engines for {target} are made on this machine"):
        build_release(RECIPE, target, BuildOptions(builder="bench"), station)
    job = read_job(RECIPE, "jetson-orin-nano-jp62", BuildOptions(builder="bench"), station.settings)
    assert job.builder == "bench"


def test_what_the_user_leaves_open_is_filled_in(station: Workstation, tmp_path: Path) -> None:
    job = read_job(RECIPE, TARGET, BuildOptions(), station.settings)
    assert job.out == Path("out/sorting-line-1.0.0-rk3588-debian12")
    assert job.key == station.settings.signing_key
    other = tmp_path / "other-key"
    other.touch()
    job = read_job(RECIPE, TARGET, BuildOptions(key=other, out=tmp_path / "out"), station.settings)
    assert (job.key, job.out) == (other, tmp_path / "out")


def test_a_profile_is_of_this_application_on_such_a_board(station: Workstation, tmp_path: Path) -> None:
    file = tmp_path / "p.json"
    options = BuildOptions(profile=file)
    with pytest.raises(InputError, match="cannot be read") as caught:
        build_release(RECIPE, TARGET, options, station)
    assert "edgekit profile DEVICE RELEASE" in caught.value.hint
    measured = profile({})
    file.write_bytes(to_message(measured))
    with pytest.raises(
        InputError, match="is of line on rk3588-debian12, and sorting-line is built for rk3588-debian12"
    ):
        build_release(RECIPE, TARGET, options, station)
    measured = dataclasses.replace(measured, application="sorting-line")
    file.write_bytes(to_message(measured))
    job = read_job(RECIPE, TARGET, options, station.settings)
    assert job.profile == measured and file in inputs_of(outline_of_job(job, station), station.settings).files


def test_an_unchanged_build_starts_no_program_and_repeats_its_notes(station: Workstation, tmp_path: Path) -> None:
    recipe, out = tmp_path / "line", tmp_path / "out"
    shutil.copytree(RECIPE, recipe)
    (out / "files").mkdir(parents=True)
    for name in ("manifest.json", "manifest.json.sig", "provenance.json", "files/clip"):
        (out / name).write_text(name)
    while time.time_ns() < (out / "files/clip").stat().st_ctime_ns + 1_100_000_000:
        time.sleep(0.05)  # ctime cannot be set: wait until every file counts as settled
    options = BuildOptions(out=out)
    release = BuiltRelease(
        digest="d", path=str(out), target=TARGET, wheels=(), engines=(), files=1, bytes=4, from_cache=False
    )
    built = Built(application="sorting-line", version="1.0.0", release=release, notes=("warning: w",))
    job = read_job(recipe, TARGET, options, station.settings)
    BuildRecord(inputs_of(outline_of_job(job, station), station.settings), out, station.settings.cache_dir).save(built)

    again = build_release(recipe, TARGET, options, station)
    assert again == dataclasses.replace(built, release=dataclasses.replace(release, from_cache=True))
    assert station.progress.notes == ["warning: w"]
    (recipe / "recipe.toml").touch()
    with pytest.raises(AssertionError, match="was started"):
        build_release(recipe, TARGET, options, station)


def test_a_commit_alone_asks_for_a_build(station: Workstation, tmp_path: Path) -> None:
    """A dirty build that is committed afterwards: no file of the recipe changes, but what is stated of it does."""
    recipe = tmp_path / "line"
    shutil.copytree(RECIPE, recipe)
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", ".")
    job = read_job(recipe, TARGET, BuildOptions(out=tmp_path / "out"), station.settings)

    def looked_at() -> Snapshot | None:
        inputs = inputs_of(outline_of_job(job, station), station.settings)
        return take_snapshot(inputs.folders, inputs.files)

    before = looked_at()
    assert before == looked_at()
    git(tmp_path, "commit", "-q", "-m", "first")
    assert before != looked_at()


@pytest.mark.parametrize("options", [BuildOptions(), BuildOptions(out=Path("here"), builder="bench")])
def test_a_build_is_known_without_its_recipe_by_the_same_inputs(station: Workstation, options: BuildOptions) -> None:
    job = read_job(RECIPE, "jetson-orin-nano-jp62", options, station.settings)
    assert outline_of(RECIPE, "jetson-orin-nano-jp62", options, station.settings) == outline_of_job(job, station)
    by_file = outline_of(RECIPE / "recipe.toml", "jetson-orin-nano-jp62", options, station.settings)
    assert by_file == outline_of_job(job, station)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"spidev', '"./gate-1.0.whl'),
        ('"spidev', '"gate @ file:///gate.whl'),
        ('"spidev', '" -r more.txt'),
        ('"spidev', '"gate @https://x/gate.whl'),
        ('version = "1.0.0"', "version = 1"),
        ('version = "1.0.0"', ""),
        ("[python]", "[python"),
    ],
)
def test_a_recipe_that_has_to_be_read_is_read(station: Workstation, tmp_path: Path, old: str, new: str) -> None:
    recipe = tmp_path / "line"
    shutil.copytree(RECIPE, recipe)
    text = (recipe / "recipe.toml").read_text()
    assert old in text
    (recipe / "recipe.toml").write_text(text.replace(old, new, 1))
    assert outline_of(recipe, TARGET, BuildOptions(), station.settings) is None


def test_what_is_wrong_with_a_build_is_told_after_its_recipe_was_read(station: Workstation, tmp_path: Path) -> None:
    for recipe, target in ((RECIPE, "no-such-target"), (tmp_path / "none", TARGET)):
        assert outline_of(recipe, target, BuildOptions(), station.settings) is None
    station.settings.signing_key.unlink()
    assert outline_of(RECIPE, TARGET, BuildOptions(), station.settings) is None
