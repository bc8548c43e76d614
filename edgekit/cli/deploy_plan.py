"""`edgekit deploy --plan`: for each device yes, or no and why. Nothing is sent."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from edgekit.cli.doctor import device_facts, worded
from edgekit.schema.units import counted

if TYPE_CHECKING:
    from edgekit.cli.output import Output
    from edgekit.host.fit.finding import Finding
    from edgekit.host.settings import Settings
    from edgekit.schema.fleet import Device
    from edgekit.schema.manifest import Manifest

_AT_ONCE = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """One device."""

    device: str
    fits: bool
    unreachable: str = ""
    """Why it could not be asked."""
    fault: str = ""
    """Why it could be asked and did not answer as a board does, with the cure."""
    findings: tuple[Finding, ...] = ()

    def lines(self) -> list[str]:
        """For people: one line, and one for each reason."""
        if self.unreachable:
            return [f"{self.device}: not known: {self.unreachable}"]
        if self.fault:
            return [f"{self.device}: no: {self.fault}"]
        word = "no" if not self.fits else "yes, with warnings" if self.findings else "yes"
        return [f"{self.device}: {word}", *(f"  {worded(item)}" for item in self.findings)]


def plan_deployment(settings: Settings, release: Path, names: list[str], out: Output) -> None:
    """Ask every device at once, and say what each could do with a release. Exit code 8 where one cannot run it."""
    from edgekit.host.link.inventory import find_device
    from edgekit.host.release.folder import open_release

    folder = open_release(release)
    devices = [find_device(name, settings) for name in dict.fromkeys(names)]
    with out.step(f"asking {counted(len(devices), 'device')}"), ThreadPoolExecutor(_AT_ONCE) as pool:
        verdicts = list(pool.map(lambda device: judge_device(device, folder.manifest), devices))
    manifest = folder.manifest
    total = {"digest": folder.digest, "application": manifest.application, "version": manifest.version}
    lines = [line for verdict in verdicts for line in verdict.lines()]
    out.result({**total, "devices": verdicts}, "\n".join(lines))
    if any(not verdict.fits and not verdict.unreachable for verdict in verdicts):
        raise typer.Exit(8)
    if any(verdict.unreachable for verdict in verdicts):
        raise typer.Exit(7)


def judge_device(device: Device, manifest: Manifest) -> Verdict:
    """Ask one device. Whatever happens is a value."""
    from edgekit.errors import EdgekitError, Unreachable
    from edgekit.host.fit.negotiate import judge_all
    from edgekit.host.link.connection import connect

    try:
        executor = connect(device)
        try:
            facts = device_facts(device, executor, manifest)
        finally:
            executor.close()
    except Unreachable as error:
        return Verdict(device=device.name, fits=False, unreachable=error.message)
    except EdgekitError as error:
        return Verdict(device=device.name, fits=False, fault=f"{error.message}: {error.hint}")
    findings = judge_all(manifest, facts, device, clock_s=time.time())
    return Verdict(device=device.name, fits=not any(item.severity == "refuse" for item in findings), findings=findings)
