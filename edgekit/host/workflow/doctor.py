"""What is missing on a device for edgekit, and for a release."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from edgekit.errors import EdgekitError
from edgekit.executor import Executor
from edgekit.host.catalogue.detect import match_target
from edgekit.host.fit.condition import judge_condition
from edgekit.host.fit.engine_fit import EngineVerdict, judge_each
from edgekit.host.fit.finding import Finding
from edgekit.host.fit.health import judge_health
from edgekit.host.fit.negotiate import judge_login
from edgekit.host.fit.profiled import clocks_of, judge_profile
from edgekit.host.link.client import KeeperClient
from edgekit.host.release.folder import open_release
from edgekit.host.workflow.deploy_plan import KeeperQuestions
from edgekit.host.workflow.devices import DeviceAccess
from edgekit.host.workflow.fitting import device_facts, judge_device, known_targets
from edgekit.host.workflow.profiles import built_profile, read_profile
from edgekit.host.workflow.workstation import Workstation
from edgekit.schema.control import Status
from edgekit.schema.facts import DeviceFacts
from edgekit.schema.fleet import Device
from edgekit.schema.manifest import Manifest
from edgekit.schema.target import Target
from edgekit.schema.worker_status import Confinement


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """What was found on one device."""

    device: str
    title: str
    """What it says that it is."""
    target: str
    """The known target that it is like; empty where it is like none."""
    findings: tuple[Finding, ...]
    """All of them, those about single engines included."""
    engines: tuple[EngineVerdict, ...]
    rga: str
    """The library of an RK3588's 2D engine, which a recipe's `sampling = "any"` uses; empty where it cannot."""
    warnings: tuple[str, ...]
    """What could not be read there."""
    confinement: Confinement | None = None
    """Of workers there; None where no keeper tells."""
    not_taken: str = ""
    """Why its keeper would not take the release, with the cure; empty where it would, or there is no keeper yet."""

    @property
    def refused(self) -> bool:
        """Whether something is missing, rather than only noticed."""
        return bool(self.not_taken) or any(item.severity == "refuse" for item in self.findings)


def diagnose(
    name: str, release: Path | None, access: DeviceAccess, station: Workstation, profile: Path | None = None
) -> Diagnosis:
    """Read a device's facts and judge them.

    Args:
        name: the device.
        release: a release's folder, whose needs are judged too; None for the keeper's alone.
        access: the way there.
        station: this machine.
        profile: what `edgekit profile` wrote: whether the board is in that state is judged too; None: the one that the
            release was built with, if any.

    Raises:
        NothingSelected: there is no such device.
        InputError: there is no release, or no profile.
        Unreachable: the device does not answer.
    """
    folder = open_release(release) if release else None
    manifest = folder.manifest if folder else None
    measured = read_profile(profile) if profile else built_profile(folder) if folder else None
    device = access.find(name)
    with access.executor(device) as executor, station.progress.step(f"{name}: reading its facts"):
        facts = device_facts(device, executor, manifest)
        status = _status_of(device, executor)
    found = diagnose_facts(device, facts, manifest, known_targets(station), now_s=time.time())
    if measured is not None:
        clocks = clocks_of(status) if status else ()
        found = replace(found, findings=(*found.findings, *judge_profile(measured, facts, clocks)))
    if folder is not None and not found.refused:
        figures = KeeperQuestions(folder=folder, access=access, station=station, count=False).ask(name)
        found = replace(found, not_taken=figures.refused)
    return found if status is None else _with_status(found, status)


def _with_status(found: Diagnosis, status: Status) -> Diagnosis:
    """With what its keeper says of workers."""
    findings = (*found.findings, *judge_health(found.device, status.applications))
    return replace(found, findings=findings, confinement=confinement_of(status))


def _status_of(device: Device, executor: Executor) -> Status | None:
    """What its keeper says; None where there is none, or none that answers."""
    with suppress(EdgekitError), KeeperClient(device, executor) as keeper:
        return keeper.status()
    return None


def confinement_of(status: Status) -> Confinement | None:
    """What the board takes away from workers; what it could not from one that runs is added. None: it does not tell."""
    if status.confinement is None:
        return None
    lacks = [*status.confinement.lacks, *(lack for one in status.applications for lack in one.worker.unconfined)]
    return replace(status.confinement, lacks=tuple(dict.fromkeys(lacks)))


def diagnose_facts(
    device: Device, facts: DeviceFacts, manifest: Manifest | None, targets: tuple[Target, ...], *, now_s: float
) -> Diagnosis:
    """Judge a device's facts. Pure.

    Args:
        device: how it is reached and kept.
        facts: its own.
        manifest: of the release that it shall run, if any.
        targets: those that are known.
        now_s: this machine's clock.
    """
    findings = judge_device(device, facts, manifest, targets, now_s=now_s)
    known = {item.subject for item in findings}
    findings += tuple(item for item in judge_condition(facts) if item.subject not in known)
    return Diagnosis(
        device=device.name,
        title=facts.model or facts.os_title,
        target=match_target(facts, targets).target,
        findings=findings + judge_login(facts, systemd=device.service == "systemd"),
        engines=judge_each(manifest.engines, manifest.wheels, facts) if manifest else (),
        rga=facts.librga if facts.rga_driver else "",
        warnings=facts.warnings,
    )
