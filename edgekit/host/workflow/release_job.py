"""Reads and checks what a build is asked for, before any work begins."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from edgekit.errors import InputError, TrustError
from edgekit.host.catalogue.offers import check_runs_releases, runs_releases
from edgekit.host.catalogue.recipes import RecipeFolder, read_recipe
from edgekit.host.catalogue.targets import find_target, list_targets
from edgekit.host.engine.backends import choose_backend
from edgekit.host.preflight import require
from edgekit.host.release.names import check_out
from edgekit.host.requirements import names_file
from edgekit.host.settings import Settings
from edgekit.host.workflow.build_inputs import BuildOptions, JobOutline, default_out
from edgekit.host.workflow.profiles import read_profile
from edgekit.host.workflow.workstation import Workstation
from edgekit.schema.profile import Profile
from edgekit.schema.target import Target


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseJob:
    """A release that is to be built: everything that was asked for is there."""

    folder: RecipeFolder
    target: Target
    key: Path
    builder: str
    out: Path
    update_lock: bool
    profile: Profile | None = None
    """What the application costs on such a board; None: nobody has measured it."""
    profile_file: Path | None = None


def read_job(recipe: Path, target: str, options: BuildOptions, settings: Settings) -> ReleaseJob:
    """Find everything that a build is asked for. Raises InputError for a mistake, TrustError without a key."""
    folder = read_recipe(recipe)
    found = find_target(target, settings)
    if not runs_releases(found):
        check_runs_releases(found, list_targets(settings))
    if options.builder:
        _check_builder(options.builder, found)
    out = options.out or default_out(folder.recipe.name, folder.recipe.version, found)
    check_out(out)
    key = options.key or settings.signing_key
    if not key.is_file():
        require("build")  # making a key takes what signing takes: reported together
        own = "edgekit keys init makes your key"
        hint = "give a key's file, or leave --key out to sign with your own" if options.key else own
        raise TrustError(f"{key} is not there: releases are signed", hint=hint)
    return ReleaseJob(
        folder=folder,
        target=found,
        key=key,
        builder=options.builder,
        out=out,
        update_lock=options.update_lock,
        profile=_profile(options.profile, folder, found) if options.profile else None,
        profile_file=options.profile,
    )


def _profile(file: Path, folder: RecipeFolder, target: Target) -> Profile:
    """A profile of this application on such a board. Raises InputError for another."""
    profile = read_profile(file)
    if (profile.application, profile.target) != (folder.recipe.name, target.name):
        raise InputError(
            f"{file} is of {profile.application} on {profile.target}, and {folder.recipe.name} is built for "
            f"{target.name}",
            hint="measure it there: edgekit profile DEVICE RELEASE; or leave --profile out",
        )
    return profile


def outline_of_job(job: ReleaseJob, station: Workstation) -> JobOutline:
    """What can change the release of a job whose recipe was read."""
    return JobOutline(
        folder=job.folder.folder,
        target=job.target,
        key=job.key,
        builder=job.builder,
        out=job.out,
        given=_given_files(job, station),
        profile=job.profile_file,
    )


def _given_files(job: ReleaseJob, station: Workstation) -> tuple[str, ...]:
    python = job.folder.recipe.python
    if not any(map(names_file, python.requirements)):
        return ()
    from edgekit.host.workflow.wheels import WheelTools  # noqa: PLC0415  heavy, and seldom needed

    wanted = WheelTools(station, job.target).wanted((), job.folder.recipe, job.folder.folder)
    return repr(wanted.requirements), repr(wanted.files)


def _check_builder(builder: str, target: Target) -> None:
    """Refuse a builder device that nobody would ask. One that is asked is looked up when an engine has to be made."""
    kind = choose_backend(target)
    if kind == "rknn" or kind not in {accelerator.kind for accelerator in target.accelerators}:
        raise InputError(
            f"--builder {builder}: engines for {target.name} are made on this machine, no device is asked",
            hint="leave --builder out",
        )
