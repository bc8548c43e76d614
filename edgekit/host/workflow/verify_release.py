"""Builds a release once more, from its recipe and without any cache, and holds every byte against it."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from packageurl import PackageURL

from edgekit.errors import InputError
from edgekit.executor.variables import WithVariables
from edgekit.host.catalogue.recipes import RecipeFolder, read_recipe
from edgekit.host.catalogue.targets import find_target
from edgekit.host.engine.engine import Engine
from edgekit.host.notes import Notes
from edgekit.host.release.assemble import encode_manifest
from edgekit.host.release.compare import Remade, commit_differences, input_differences
from edgekit.host.release.names import FILES, PROFILE
from edgekit.host.release.replace import folder_beside
from edgekit.host.wheel.lock import LockedFile, answers, format_lock, parse_lock
from edgekit.host.workflow.profiles import read_profile
from edgekit.host.workflow.provenance import given_inputs, wanted_by
from edgekit.host.workflow.release import ReleaseParts, content_of, make_parts, manifest_of
from edgekit.host.workflow.release_job import ReleaseJob
from edgekit.host.workflow.trusted_release import TrustedRelease, open_trusted
from edgekit.host.workflow.wheels import lock_files
from edgekit.host.workflow.workstation import Workstation
from edgekit.schema.manifest import is_safe_path
from edgekit.schema.provenance import REQUIREMENTS, BuildDefinition
from edgekit.schema.target import Target

_NO_KEY = Path("/nonexistent")
"""What is made once more is compared, not signed."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class VerifyOptions:
    """How a release is verified, where the user says so."""

    recipe: Path | None = None
    """Its recipe's folder; None: where the provenance says, from here or a folder above."""
    allowed_signers: Path | None = None
    """Who is trusted; None: whom the user's own file names."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedRelease:
    """What came of it."""

    digest: str
    application: str
    version: str
    target: str
    signer: str
    """Of the release."""
    provenance_signer: str
    files: int
    first_difference: str
    """File, place and what; empty: every byte is the same."""
    inputs: tuple[str, ...]
    """Inputs that are not those that the release was made from; the first is the likely cause of a difference."""
    commits: tuple[str, ...]
    """Where the inputs are from, where that is not the same clean commit."""
    kept: tuple[str, ...]
    """Engines that a builder device compiled: taken from the release by digest, for no device makes them twice."""
    seconds: float


def verify_release(path: Path, options: VerifyOptions, station: Workstation) -> VerifiedRelease:
    """Make a release again and compare.

    Nothing that is cached counts, not even what uv has unpacked: everything is fetched, compiled and laid out anew in a
    cache of its own, which is thrown away. Packages are those that the release was made from, also where the recipe
    has no lock.

    Args:
        path: the release's folder.
        options: what the user chose.
        station: this machine.

    Raises:
        InputError: there is no release, or its recipe is not here.
        TrustError: its signatures or its files are not what they must be.
        WheelError: a package cannot be had or built any more.
        EngineError: an engine cannot be made.
    """
    began = time.monotonic()
    release = open_trusted(path, options.allowed_signers, station)
    stated = release.provenance.statement.predicate.buildDefinition
    folder = read_recipe(options.recipe or _find_recipe(stated))
    with _no_cache(station) as empty:
        job = _job(folder, release, empty)
        given = given_inputs(job, empty)
        kept = _kept_engines(release)
        _lay_lock(job, stated, empty)
        parts = make_parts(job, given, empty, kept)
        first = _remade(job, parts).first_difference(release.folder)
    manifest = release.folder.manifest
    kept_files = {engine.file for engine in kept.values()}
    return VerifiedRelease(
        digest=release.folder.digest,
        application=manifest.application,
        version=manifest.version,
        target=manifest.target,
        signer=release.signer,
        provenance_signer=release.provenance.signer,
        files=len(manifest.files),
        first_difference=first,
        inputs=input_differences(stated, parts.making.definition),
        commits=commit_differences(stated, parts.making.definition),
        kept=tuple(engine.entry.path for engine in parts.engines if engine.file in kept_files),
        seconds=round(time.monotonic() - began, 2),
    )


def _find_recipe(stated: BuildDefinition) -> Path:
    """The recipe's folder: where the provenance says, below this folder or one above it."""
    path = stated.externalParameters.path
    here = Path.cwd()
    for above in (here, *here.parents) if is_safe_path(path) else ():
        if (above / path / "recipe.toml").is_file():
            return above / path
    raise InputError(
        f"the release was made from {path}, which is not here",
        hint="name its recipe's folder, at the commit that edgekit release show RELEASE names: "
        "edgekit build RECIPE --verify RELEASE",
    )


@contextmanager
def _no_cache(station: Workstation) -> Iterator[Workstation]:
    """This machine with an empty cache of its own, uv's included, beside the user's; removed at the end."""
    with folder_beside(station.settings.cache_dir / "verify") as cache:
        settings = dataclasses.replace(station.settings, cache_dir=cache / "cache")
        executor = WithVariables(station.executor, {"UV_CACHE_DIR": str(cache / "uv")})
        yield dataclasses.replace(station, settings=settings, executor=executor)


def _job(folder: RecipeFolder, release: TrustedRelease, station: Workstation) -> ReleaseJob:
    target: Target = find_target(release.folder.manifest.target, station.settings)
    profile = release.folder.path / FILES / PROFILE
    return ReleaseJob(
        folder=folder,
        target=target,
        key=_NO_KEY,
        builder="",
        out=release.folder.path,
        update_lock=False,
        profile=read_profile(profile) if profile.is_file() else None,  # nobody measures the same twice
    )


def _kept_engines(release: TrustedRelease) -> dict[str, Engine]:
    return {
        entry.name: Engine(entry=entry, file=release.folder.path / "files" / entry.path)
        for entry in release.folder.manifest.engines
    }


def _lay_lock(job: ReleaseJob, stated: BuildDefinition, station: Workstation) -> None:
    """Where the recipe has no lock and asks for the same, have the packages taken that the release was made from."""
    wanted = wanted_by(job, station)
    locks = lock_files(station.settings, job.folder.folder, job.target, update=False)
    asked = [one.digest.get("sha256") for one in stated.resolvedDependencies if one.name == REQUIREMENTS]
    if asked != [wanted.digest] or any(answers(lock.text, wanted) for lock in locks.read(wanted)):
        return
    text = format_lock(wanted, _locked_files(stated))
    parse_lock(text, "the provenance's packages")
    Notes(station.settings.cache_dir / "locks").write(wanted.digest, text.encode())
    station.progress.note(f"{locks.recipe} does not lock these packages: taking the release's own")


def _locked_files(stated: BuildDefinition) -> Iterator[LockedFile]:
    """The packages among a release's inputs: their names are those of files."""
    for one in stated.resolvedDependencies:
        if not one.uri.startswith("pkg:pypi/") or "sha256" not in one.digest:
            continue
        url = PackageURL.from_string(one.uri)
        yield LockedFile(name=url.name, version=url.version or "", sha256=one.digest["sha256"], filename=one.name)


def _remade(job: ReleaseJob, parts: ReleaseParts) -> Remade:
    content = content_of(job, parts)
    files = content.entries()
    manifest = encode_manifest(manifest_of(job, parts, files))
    return Remade(manifest, files, dict(content.files), dict(content.texts))
