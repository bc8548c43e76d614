"""Does a release fit devices: asks each for its facts, and judges them before a byte moves."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from edgekit.errors import EdgekitError, RolloutError, Unreachable
from edgekit.executor import Executor
from edgekit.host.fit.finding import Finding
from edgekit.host.fit.negotiate import judge_all
from edgekit.host.probe import read_facts
from edgekit.host.progress import Progress
from edgekit.host.release.folder import open_release
from edgekit.host.workflow.devices import DeviceAccess
from edgekit.schema.board import BoardPaths
from edgekit.schema.facts import DeviceFacts
from edgekit.schema.fleet import Device
from edgekit.schema.manifest import Manifest
from edgekit.schema.units import counted

_AT_ONCE = 16


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


def ask_devices(release: Path, names: Sequence[str], access: DeviceAccess, progress: Progress) -> FleetFit:
    """Ask many devices at once, each of them once, what they could do with a release. Nothing is sent.

    Args:
        release: its folder.
        names: the devices; what becomes of each is a value, never an error.
        access: the way there.
        progress: is shown the step.

    Raises:
        InputError: there is no release.
        NothingSelected: there is no such device.
    """
    folder = open_release(release)
    manifest = folder.manifest
    devices = [access.find(name) for name in dict.fromkeys(names)]
    with progress.step(f"asking {counted(len(devices), 'device')}"), ThreadPoolExecutor(_AT_ONCE) as pool:
        fits = tuple(pool.map(lambda device: ask_device(device, manifest, access), devices))
    return FleetFit(digest=folder.digest, application=manifest.application, version=manifest.version, devices=fits)


def ask_device(device: Device, manifest: Manifest, access: DeviceAccess) -> DeviceFit:
    """Ask one device. Whatever happens is a value."""
    try:
        with access.executor(device) as executor:
            facts = device_facts(device, executor, manifest)
    except Unreachable as error:
        return DeviceFit(device=device.name, fits=False, unreachable=error.message)
    except EdgekitError as error:
        return DeviceFit(device=device.name, fits=False, fault=f"{error.message}: {error.hint}")
    findings = judge_all(manifest, facts, device, clock_s=time.time())
    fits = not any(item.severity == "refuse" for item in findings)
    return DeviceFit(device=device.name, fits=fits, findings=findings)


def check_fits(device: Device, executor: Executor, manifest: Manifest, progress: Progress) -> None:
    """Refuse a release that a device cannot run, with every reason, and show what it may stumble over.

    Raises:
        RolloutError: it does not fit.
    """
    with progress.step(f"{device.name}: does the release fit"):
        facts = device_facts(device, executor, manifest)
    findings = judge_all(manifest, facts, device, clock_s=time.time(), present=True)
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
