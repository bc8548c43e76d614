"""Makes a release, step by step: packages, engines, rehearsal, assembly, signature. See `build.build_release`."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

import edgekit
from edgekit.host.engine.engine import Engine
from edgekit.host.forecast.accelerators import with_busy_percent
from edgekit.host.preflight import require
from edgekit.host.release.assemble import Content, Signed, encode_manifest, write_release
from edgekit.host.release.costs import planned_costs
from edgekit.host.release.counter import next_counter
from edgekit.host.release.envelope import seal
from edgekit.host.release.names import PROFILE
from edgekit.host.release.plan import plan_worker, requires_of
from edgekit.host.release.record import Built, BuiltRelease
from edgekit.host.release.sbom import make_sbom
from edgekit.host.release.statement import Making, make_statement
from edgekit.host.user import user_at_machine
from edgekit.host.workflow.engines import NOTHING_KEPT, do_engine_work, plan_engine_work
from edgekit.host.workflow.heads import settle_heads
from edgekit.host.workflow.kernels import GPU_KERNEL, gpu_kernel_for, with_gpu_kernel
from edgekit.host.workflow.packages import LaidOutPackages
from edgekit.host.workflow.provenance import GivenInputs, given_inputs, making_of
from edgekit.host.workflow.rehearse import rehearse, release_files
from edgekit.host.workflow.release_job import ReleaseJob
from edgekit.host.workflow.site import importable, lay_out_site
from edgekit.host.workflow.wheels import WheelTools, lock_file
from edgekit.host.workflow.workstation import Workstation
from edgekit.schema.manifest import FORMAT, SIGNATURE_NAMESPACE, EngineEntry, FileEntry, Manifest
from edgekit.schema.message import to_message
from edgekit.schema.plan import WorkerPlan
from edgekit.trust import sha256_bytes, sha256_file, sign


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseParts:
    """What a release is assembled from."""

    site: LaidOutPackages
    engines: tuple[Engine, ...]
    plan: WorkerPlan
    making: Making
    notes: tuple[str, ...] = ()
    """What stages' models were taken for."""
    gpu_kernel: Path | None = None
    """What converts frames on the board's GPU; None: its CPU does."""

    @property
    def entries(self) -> tuple[EngineEntry, ...]:
        """The engines, for the manifest."""
        return tuple(engine.entry for engine in self.engines)

    @property
    def from_cache(self) -> bool:
        """Whether nothing had to be compiled or resolved."""
        return self.site.from_cache and all(engine.from_cache for engine in self.engines)


def make_release(job: ReleaseJob, station: Workstation) -> Built:
    """Do the whole build; what is in a cache is taken from there. Raises as `build_release`."""
    parts = make_parts(job, given_inputs(job, station), station)
    notes = (
        *parts.notes,
        *(note for engine in parts.engines for note in engine.notes),
        *(f"warning: {text}" for text in (*parts.plan.warnings, *parts.site.locked.warnings)),
        *rehearse(job.folder, parts.plan, parts.engines, importable(parts.site, job.target), station),
    )
    for note in notes:
        station.progress.note(note)
    release = assemble_release(job, parts, station)
    return Built(application=parts.plan.application, version=parts.plan.version, release=release, notes=notes)


def make_parts(
    job: ReleaseJob, given: GivenInputs, station: Workstation, kept: Mapping[str, Engine] = NOTHING_KEPT
) -> ReleaseParts:
    """Resolve packages and make engines; what is in a cache is taken from there.

    Args:
        job: what is asked for.
        given: read from its inputs.
        station: this machine.
        kept: engines by name that are taken as they are where only a builder device could compile them.

    Raises:
        InputError: a mistake in recipe or target, or an input was changed meanwhile.
        WheelError: a package cannot be had or built.
        EngineError: an engine cannot be made.
    """
    folder, target = job.folder, job.target
    require("build", more=WheelTools(station, target).building_needs(lock_file(folder.folder, target)))
    _plan(job, ())  # what does not fit is reported before anything is built, and so is what cannot become an engine
    work = plan_engine_work(folder, target, station, job.builder, kept)
    settled = settle_heads(folder, {one.source.name: one.source.described for one in work.planned})
    site = lay_out_site(folder, target, station, update_lock=job.update_lock)
    engines = do_engine_work(work, station)
    making = making_of(job, given, site, tuple(zip(work.planned, engines, strict=True)), station)
    plan = _plan(dataclasses.replace(job, folder=settled.folder), engines)
    kernel = gpu_kernel_for(plan, target, station)
    return ReleaseParts(
        site=site,
        engines=engines,
        plan=with_gpu_kernel(plan, kernel),
        making=making,
        notes=settled.notes,
        gpu_kernel=kernel,
    )


def _plan(job: ReleaseJob, engines: tuple[Engine, ...]) -> WorkerPlan:
    entries = [engine.entry for engine in engines]
    folder = job.folder
    plan = plan_worker(folder.recipe, job.target, entries, has_app=folder.app is not None, places=folder.places)
    if job.profile is None:
        return plan
    digests = {engine.entry.name: sha256_file(engine.file) for engine in engines}
    return dataclasses.replace(with_busy_percent(plan, job.profile), costs=planned_costs(plan, digests, job.profile))


def assemble_release(job: ReleaseJob, parts: ReleaseParts, station: Workstation) -> BuiltRelease:
    """Write the release, signed.

    Raises:
        InputError: the folder holds something else, or cannot be written.
        TrustError: the key does not sign.
    """

    def signed_by_key(message: bytes) -> bytes:
        return sign(station.executor, message, key=job.key, namespace=SIGNATURE_NAMESPACE)

    content = content_of(job, parts)
    files = content.entries()
    manifest = encode_manifest(manifest_of(job, parts, files))
    digest = sha256_bytes(manifest)
    now = datetime.now(timezone.utc)
    counter = next_counter(station.settings.counters_dir, parts.plan.application, int(now.timestamp()))
    statement = make_statement(parts.making, digest, user_at_machine(), now, counter=counter)
    with station.progress.step("signing"):
        signature, provenance = signed_by_key(manifest), seal(statement, signed_by_key)
    signed = Signed(manifest=manifest, files=files, signature=signature, provenance=provenance)
    write_release(job.out, content, signed, notes=station.settings.cache_dir / "digests")
    return BuiltRelease(
        digest=digest,
        path=str(job.out),
        target=job.target.name,
        wheels=tuple(f"{wheel.name}=={wheel.version}" for wheel in parts.site.locked.wheels),
        engines=parts.entries,
        files=len(files),
        bytes=sum(entry.bytes for entry in files),
        from_cache=parts.from_cache,
    )


def content_of(job: ReleaseJob, parts: ReleaseParts) -> Content:
    """Everything that goes into the release, by its path there."""
    site, engines = parts.site, parts.engines
    files = {engine.entry.path: engine.file for engine in engines}
    files |= {engine.entry.tail: engine.tail.resolve() for engine in engines if engine.tail is not None}
    files |= {GPU_KERNEL: parts.gpu_kernel} if parts.gpu_kernel is not None else {}
    files |= release_files(job.folder)
    known = {}
    for part in (site.wheels, site.own):
        for entry in part.content.files:
            path = f"site/{entry.path}"
            files[path] = part.folder / entry.path
            known[path] = dataclasses.replace(entry, path=path)
    sbom = make_sbom(job.folder.recipe, site.locked.wheels, parts.entries, site.wheels.folder)
    texts = {"plan.json": to_message(parts.plan), "sbom.cdx.json": sbom}
    texts |= {PROFILE: to_message(job.profile)} if job.profile else {}
    return Content(files=files, texts=texts, known=known)


def manifest_of(job: ReleaseJob, parts: ReleaseParts, files: tuple[FileEntry, ...]) -> Manifest:
    """What the release says of itself."""
    plan = parts.plan
    return Manifest(
        format=FORMAT,
        application=plan.application,
        version=plan.version,
        target=job.target.name,
        edgekit=edgekit.__version__,
        requires=requires_of(plan, job.target, sum(entry.bytes for entry in files)),
        files=files,
        wheels=parts.site.locked.wheels,
        engines=parts.entries,
    )
