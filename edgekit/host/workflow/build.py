"""Builds a signed release of a recipe for a target. A build whose every input is as it was does nothing."""

from __future__ import annotations

import sys
import sysconfig
from pathlib import Path

import edgekit
from edgekit.host.cache_users import using
from edgekit.host.catalogue.targets import pyconfig_file, target_files
from edgekit.host.git import git_files
from edgekit.host.release.record import BuildRecord, Built, Inputs
from edgekit.host.requirements import names_file
from edgekit.host.workflow.release_job import BuildOptions, ReleaseJob, read_job
from edgekit.host.workflow.workstation import Workstation


def build_release(recipe: Path, target: str, options: BuildOptions, station: Workstation) -> Built:
    """Build a recipe for a target: Python packages, engines, plan, SBOM, signature. Twice gives the same digest.

    Args:
        recipe: its folder.
        target: a target's name.
        options: what the user chose.
        station: this machine.

    Raises:
        InputError: a mistake in recipe, target or options.
        TrustError: there is no key to sign with.
        WheelError: a package cannot be had or built.
        EngineError: an engine cannot be made, or finds other things than it must.
    """
    job = read_job(recipe, target, options, station.settings)
    cache = station.settings.cache_dir
    with using(cache):
        record = BuildRecord(inputs_of(job, station), job.out, cache)
        built = None if job.update_lock else record.find()
        if built is None:
            from edgekit.host.workflow.release import make_release  # noqa: PLC0415  heavy, and seldom needed

            built = make_release(job, station)
            record.save(built)
        else:
            for note in built.notes:
                station.progress.note(note)
    return built


def inputs_of(job: ReleaseJob, station: Workstation) -> Inputs:
    """Everything that can change what a build makes: the recipe, edgekit itself, its data, its Python, its settings.

    What git knows of them is stated of the release: a commit alone, which changes no file, counts too.
    """
    settings = station.settings
    target_file = target_files(settings).get(job.target.name, settings.data_dir)
    words = (repr(job.target), job.builder, str(job.out), str(job.key), repr(settings), sys.version)
    return Inputs(
        folders=(job.folder.folder, Path(edgekit.__file__).parent, settings.data_dir / "cross"),
        files=(
            target_file,
            pyconfig_file(target_file),
            job.key,
            settings.fleet_file,
            settings.pyenv_root / "versions",
            Path(sysconfig.get_path("purelib")),
            *git_files(job.folder.folder),
            *git_files(Path(edgekit.__file__).parent),
        ),
        words=(*words, *_given_files(job, station)),
    )


def _given_files(job: ReleaseJob, station: Workstation) -> tuple[str, ...]:
    """Requirements that are files, by digest: they may lie outside the recipe's folder, or behind links in it."""
    python = job.folder.recipe.python
    if not any(map(names_file, python.requirements)):
        return ()
    from edgekit.host.workflow.wheels import WheelTools  # noqa: PLC0415  heavy, and seldom needed

    wanted = WheelTools(station, job.target).wanted((), python, job.folder.folder)
    return repr(wanted.requirements), repr(wanted.files)
