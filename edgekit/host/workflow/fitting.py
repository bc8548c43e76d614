"""Does a release fit devices: asks each for its facts, and judges them before a byte moves."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from edgekit.errors import EdgekitError, InputError, RolloutError, Unreachable
from edgekit.executor import Executor
from edgekit.executor.local import LocalExecutor
from edgekit.host.catalogue.detect import has_marks
from edgekit.host.catalogue.identity import identify
from edgekit.host.catalogue.targets import list_targets
from edgekit.host.fit.engine_fit import judge_engines
from edgekit.host.fit.finding import Finding
from edgekit.host.fit.negotiate import judge_board, judge_cgroup, judge_keeper, judge_release
from edgekit.host.fit.profiled import clocks_of, judge_profile
from edgekit.host.link.board_settings import outgoing_settings
from edgekit.host.probe import read_facts
from edgekit.host.release.folder import ReleaseFolder, open_release, read_plan
from edgekit.host.workflow.devices import DeviceAccess
from edgekit.host.workflow.profiles import built_profile
from edgekit.host.workflow.workstation import Workstation
from edgekit.schema.board import BoardPaths
from edgekit.schema.control import Status
from edgekit.schema.facts import DeviceFacts
from edgekit.schema.fleet import Device
from edgekit.schema.manifest import Manifest
from edgekit.schema.plan import WorkerPlan
from edgekit.schema.profile import Profile
from edgekit.schema.target import Target
from edgekit.schema.units import counted

_AT_ONCE = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedRelease:
    """What of a release is held against a device."""

    manifest: Manifest
    plan: WorkerPlan | None = None
    profile: Profile | None = None
    """That it was built with."""


def judged_release(folder: ReleaseFolder) -> JudgedRelease:
    """Read what of a release is held against devices."""
    return JudgedRelease(manifest=folder.manifest, plan=read_plan(folder), profile=built_profile(folder))


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceFit:
    """Whether one device could run a release."""

    device: str
    fits: bool
    unreachable: str = ""
    """Why it could not be asked."""
    fault: str = ""
    """Why it could be asked and did not answer as a board does, with the cure."""
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetFit:
    """Which of several devices could run a release."""

    digest: str
    application: str
    version: str
    devices: tuple[DeviceFit, ...]

    @property
    def refused(self) -> bool:
        """Whether a device that could be asked cannot run it."""
        return any(not one.fits and not one.unreachable for one in self.devices)

    @property
    def unknown(self) -> bool:
        """Whether a device could not be asked."""
        return any(one.unreachable for one in self.devices)


def ask_devices(release: Path, names: Sequence[str], access: DeviceAccess, station: Workstation) -> FleetFit:
    """Ask many devices at once, each of them once, what they could do with a release. Nothing is sent.

    Args:
        release: its folder.
        names: the devices; what becomes of each is a value, never an error.
        access: the way there.
        station: this machine.

    Raises:
        InputError: there is no release.
        NothingSelected: there is no such device.
    """
    folder = open_release(release)
    manifest, judged = folder.manifest, judged_release(folder)
    devices = [access.find(name) for name in dict.fromkeys(names)]
    targets = known_targets(station)
    with station.progress.step(f"asking {counted(len(devices), 'device')}"), ThreadPoolExecutor(_AT_ONCE) as pool:
        fits = tuple(pool.map(lambda device: ask_device(device, judged, access, targets), devices))
    return FleetFit(digest=folder.digest, application=manifest.application, version=manifest.version, devices=fits)


def ask_device(device: Device, release: JudgedRelease, access: DeviceAccess, targets: Sequence[Target]) -> DeviceFit:
    """Ask one device. Whatever happens is a value."""
    try:
        outgoing_settings(access.inventory, device.name, release.plan, LocalExecutor())
        with access.executor(device) as executor:
            facts = device_facts(device, executor, release.manifest)
    except Unreachable as error:
        return DeviceFit(device=device.name, fits=False, unreachable=error.message)
    except EdgekitError as error:
        return DeviceFit(device=device.name, fits=False, fault=f"{error.message}: {error.hint}")
    findings = judge_device(device, facts, release.manifest, targets, now_s=time.time())
    if release.profile:
        findings += judge_profile(release.profile, facts, clocks=())  # its keeper tells of those
    fits = not any(item.severity == "refuse" for item in findings)
    return DeviceFit(device=device.name, fits=fits, findings=findings)


def known_targets(station: Workstation) -> tuple[Target, ...]:
    """All targets; a mistake in one of the user's own is shown, and then the shipped ones have to do."""
    try:
        return list_targets(station.settings)
    except InputError as error:
        station.progress.note(f"warning: {error.message}")
        return list_targets(station.settings, own=station.settings.data_dir / "targets")


def judge_device(
    device: Device, facts: DeviceFacts, manifest: Manifest | None, targets: Sequence[Target], *, now_s: float
) -> tuple[Finding, ...]:
    """Everything that keeps a device from taking the keeper and from running a release: keeper, system, engines. Pure.

    Args:
        device: how it is reached and kept.
        facts: its own.
        manifest: of the release that it shall run, if any.
        targets: those that are known.
        now_s: this machine's clock.
    """
    found, systemd = identify(facts, targets), device.service == "systemd"
    built_for = next((one for one in targets if manifest and one.name == manifest.target), None)
    keeper = judge_keeper(facts, systemd=systemd, clock_s=now_s, newer_python=found.newer_python)
    if manifest is None:
        board = judge_board(found.stranger, "", advice=found.advice)
        # Without systemd a workstation may well stand in for a board, and limits are advice.
        system = (*board, *judge_cgroup(facts)) if systemd else board if facts.arch == "aarch64" else ()
        return (*keeper, *system)
    # A release for this machine, or for a target of another workstation: which boards it is for is not known here.
    other = built_for is not None and not has_marks(facts, built_for)
    return (
        *keeper,
        *judge_release(manifest.requires, facts, rebuild=found.rebuild),
        *judge_engines(manifest.engines, manifest.wheels, facts),
        *(judge_board(found.kind, manifest.target, advice=found.advice) if other else ()),
    )


def check_fits(
    device: Device, executor: Executor, release: JudgedRelease, status: Status, station: Workstation
) -> None:
    """Refuse a release that a device cannot run, with every reason, and show what it may stumble over.

    Args:
        device: where it shall run.
        executor: runs programs there.
        release: what of it is judged.
        status: what the keeper there says.
        station: this machine.

    Raises:
        RolloutError: it does not fit.
    """
    progress, manifest = station.progress, release.manifest
    with progress.step(f"{device.name}: does the release fit"):
        facts = device_facts(device, executor, manifest)
    # What of the release is there already is not known yet: the keeper looks whether there is room for the rest.
    roomy = dataclasses.replace(manifest, requires=dataclasses.replace(manifest.requires, disk_bytes=0))
    findings = judge_device(device, facts, roomy, known_targets(station), now_s=time.time())
    if release.profile:
        findings += judge_profile(release.profile, facts, clocks_of(status))
    refused = [str(finding) for finding in findings if finding.severity == "refuse"]
    for finding in findings:
        if finding.severity == "warn":
            progress.note(f"warning: {finding}")
    if refused:
        several = len(refused) > 1
        reason = f"{len(refused)} things do not fit" if several else refused[0]
        raise RolloutError(
            f"{device.name} cannot run this release: {reason}",
            hint=f"mend that, or build for another target; edgekit doctor {device.name} RELEASE looks again",
            details="\n".join(refused) if several else "",
        )


def device_facts(device: Device, executor: Executor, manifest: Manifest | None) -> DeviceFacts:
    """Read a device's facts as a release's worker would meet them: by its Python, with the room below its prefix."""
    interpreter = (manifest.requires.python_path if manifest else "") or "python3"
    state_dir = BoardPaths(prefix=device.prefix).state_dir
    return read_facts(executor, interpreter=interpreter, state_dir=state_dir)
