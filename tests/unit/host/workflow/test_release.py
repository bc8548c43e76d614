"""A release holds its engines, its packages and the recipe's files, and is the same bits each time."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from edgekit.host.cache import Cache, Cached
from edgekit.host.engine.engine import Engine
from edgekit.host.keys import make_key
from edgekit.host.release.envelope import open_sealed
from edgekit.host.release.folder import open_release
from edgekit.host.release.names import PROFILE
from edgekit.host.release.plan import plan_worker
from edgekit.host.wheel.resolve import Locked
from edgekit.host.workflow.build_inputs import BuildOptions
from edgekit.host.workflow.packages import LaidOutPackages
from edgekit.host.workflow.provenance import given_inputs, making_of
from edgekit.host.workflow.release import ReleaseParts, assemble_release, content_of
from edgekit.host.workflow.release_job import ReleaseJob, read_job
from edgekit.host.workflow.workstation import Workstation
from edgekit.schema.manifest import EngineEntry, WheelEntry
from edgekit.schema.message import to_message
from edgekit.trust import sha256_bytes, sha256_file
from tests.fakes.profiles import profile
from tests.fakes.workstations import workstation_in
from tests.unit.host.workflow.test_build import RECIPE

ENTRY = EngineEntry(
    name="parts", runner="rknn", path="engines/parts.rknn", model_sha256="0" * 64, facts={}, tail="engines/parts.onnx"
)


def cached(folder: Path, name: str) -> Cached:
    def make(made: Path) -> None:
        (made / name).parent.mkdir(parents=True)
        (made / name).write_text(name)

    Cache(folder).get("key", make)
    return Cache(folder).get("key", make)


@pytest.fixture
def station(tmp_path: Path) -> Workstation:
    made = workstation_in(tmp_path / "home")
    make_key(made.settings, made.executor, principal="ann@desk")
    return made


@pytest.fixture
def job(station: Workstation, tmp_path: Path) -> ReleaseJob:
    return read_job(RECIPE, "rk3588-debian12", BuildOptions(out=tmp_path / "out"), station.settings)


@pytest.fixture
def parts(job: ReleaseJob, station: Workstation, tmp_path: Path) -> ReleaseParts:
    for name in ("parts.rknn", "parts.onnx"):
        (tmp_path / name).write_text(name)
    wheel = WheelEntry(
        name="lap", version="0.5", filename="lap-0.5-py3-none-any.whl", sha256="1" * 64, source="downloaded"
    )
    site = LaidOutPackages(
        locked=Locked(wheels=(wheel,), built={}, from_cache=True),
        wheels=cached(tmp_path / "packages", "lap/__init__.py"),
        own=cached(tmp_path / "own", "edgekit/stage.py"),
    )
    engine = Engine(entry=ENTRY, file=tmp_path / "parts.rknn", tail=tmp_path / "parts.onnx")
    return ReleaseParts(
        site=site,
        engines=(engine,),
        plan=plan_worker(job.folder.recipe, job.target, [ENTRY], has_app=True),
        making=making_of(job, given_inputs(job, station), site, (), station),
    )


def test_what_was_measured_travels_and_is_stated(job: ReleaseJob, parts: ReleaseParts, station: Workstation) -> None:
    assert PROFILE not in content_of(job, parts).texts
    measured = dataclasses.replace(profile({}), application="sorting-line")
    job = dataclasses.replace(job, profile=measured)
    assert content_of(job, parts).texts[PROFILE] == to_message(measured)
    stated = {one.name: one.digest for one in given_inputs(job, station).resources}
    assert stated[PROFILE] == {"sha256": sha256_bytes(to_message(measured))}


def test_everything_has_its_place(job: ReleaseJob, parts: ReleaseParts) -> None:
    content = content_of(job, parts)
    paths = {*content.files, *content.texts}
    assert {"engines/parts.rknn", "engines/parts.onnx", "plan.json", "sbom.cdx.json"} <= paths
    assert {"site/lap/__init__.py", "site/edgekit/stage.py", "recipe/clip.mp4"} <= paths
    assert any(path.startswith("app/") for path in paths)
    assert set(content.known) == {"site/lap/__init__.py", "site/edgekit/stage.py"}


def test_twice_gives_the_same_digest_and_a_whole_release(
    job: ReleaseJob, parts: ReleaseParts, station: Workstation, tmp_path: Path
) -> None:
    built = assemble_release(job, parts, station)
    other = assemble_release(dataclasses.replace(job, out=tmp_path / "other"), parts, station)
    assert (built.digest, built.from_cache, built.wheels) == (other.digest, True, ("lap==0.5",))
    release = open_release(tmp_path / "other")
    assert release.digest == built.digest and release.signature
    assert (release.manifest.application, release.manifest.target) == ("sorting-line", "rk3588-debian12")
    assert built.files == len(release.manifest.files)
    assert built.bytes == sum(entry.bytes for entry in release.manifest.files)
    for entry in release.manifest.files:
        assert sha256_file(release.file(entry)) == entry.sha256


def test_what_had_to_be_compiled_is_not_from_the_cache(parts: ReleaseParts) -> None:
    (engine,) = parts.engines
    assert parts.from_cache
    assert not dataclasses.replace(parts, engines=(dataclasses.replace(engine, from_cache=False),)).from_cache
    resolved = dataclasses.replace(parts.site.locked, from_cache=False)
    assert not dataclasses.replace(parts, site=dataclasses.replace(parts.site, locked=resolved)).from_cache
    unpacked = dataclasses.replace(parts.site.own, from_cache=False)
    assert not dataclasses.replace(parts, site=dataclasses.replace(parts.site, own=unpacked)).from_cache


def test_the_provenance_is_signed_with_the_release_and_names_it(
    job: ReleaseJob, parts: ReleaseParts, station: Workstation
) -> None:
    built = assemble_release(job, parts, station)
    release = open_release(job.out)
    found = open_sealed(release.provenance, built.digest, station.executor, station.settings.allowed_signers)
    assert found.signer == "ann@desk"
    assert found.statement.predicate.buildDefinition == parts.making.definition
