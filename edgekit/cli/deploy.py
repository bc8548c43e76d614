"""`edgekit deploy`: a release onto a device."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgekit.cli.complete import device_names
from edgekit.cli.session import JsonFlag, output_for, settings_of
from edgekit.cli.verbs import examples
from edgekit.schema.units import counted

if TYPE_CHECKING:
    from edgekit.cli.output import Output
    from edgekit.executor import Executor
    from edgekit.schema.control import Event
    from edgekit.schema.fleet import Device
    from edgekit.schema.manifest import Manifest


@examples(
    "edgekit deploy out/line gate-7",
    "edgekit deploy out/line gate-7 gate-8 --plan",
    "edgekit deploy out/line root@10.0.0.7",
)
def deploy(
    ctx: typer.Context,
    release: Annotated[Path, typer.Argument(help="A release's folder, as `edgekit build --out` made it.")],
    devices: Annotated[
        list[str],
        typer.Argument(help="Names from fleet.toml, running boards, or USER@HOST[:PORT].", autocompletion=device_names),
    ],
    plan: Annotated[bool, typer.Option("--plan", help="Only say for each device whether the release fits.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Send a release to a device, activate it and wait until it is healthy; else the old one runs again."""
    if plan:
        from edgekit.cli.deploy_plan import plan_deployment

        plan_deployment(settings_of(ctx), release, devices, output_for(as_json))
        return
    if len(devices) > 1:
        from edgekit.errors import InputError

        told = f"{len(devices)} devices are named, and this edgekit deploys to one at a time"
        raise InputError(told, hint="deploy to one after the other; --plan takes several")
    (device,) = devices
    from edgekit.host.link.connection import connect
    from edgekit.host.link.inventory import find_device
    from edgekit.host.link.sending import OutgoingRelease
    from edgekit.host.release.folder import open_release
    from edgekit.host.user import user_at_machine
    from edgekit.host.workflow.deploy import Deployment

    settings, out = settings_of(ctx), output_for(as_json)
    folder = open_release(release)
    found = find_device(device, settings)
    executor = connect(found)
    outgoing = OutgoingRelease(
        manifest=folder.manifest,
        manifest_bytes=folder.manifest_bytes,
        signature=folder.signature,
        digest=folder.digest,
        file=lambda path: folder.path / "files" / path,
    )
    try:
        outcome = Deployment(
            device=found,
            executor=executor,
            release=outgoing,
            check_fits=lambda: check_fits(found, executor, folder.manifest, out),
            holder=user_at_machine(),
            progress=out,
            watch=Watcher(device, out),
        ).run()
    finally:
        executor.close()
    word = "committed" if outcome.changed else "runs already: nothing to do"
    out.result(
        outcome, f"{device}: {folder.manifest.application} {folder.manifest.version} {folder.digest[:12]} {word}"
    )


def check_fits(device: Device, executor: Executor, manifest: Manifest, out: Output) -> None:
    """Refuse a release that the device cannot run, with every reason, before a byte moves.

    Raises:
        RolloutError: it does not fit.
    """
    from edgekit.cli.doctor import device_facts
    from edgekit.errors import RolloutError
    from edgekit.host.fit.negotiate import judge_all

    with out.step(f"{device.name}: does the release fit"):
        facts = device_facts(device, executor, manifest)
    findings = judge_all(manifest, facts, device, clock_s=time.time(), present=True)
    refused = [str(finding) for finding in findings if finding.severity == "refuse"]
    for finding in findings:
        if finding.severity == "warn":
            out.note(f"warning: {finding}")
    if refused:
        raise RolloutError(
            f"{device.name} cannot run this release: {len(refused)} things do not fit"
            if len(refused) > 1
            else f"{device.name} cannot run this release: {refused[0]}",
            hint=f"mend that, or build for another target; edgekit doctor {device.name} RELEASE looks again",
            details="\n".join(refused) if len(refused) > 1 else "",
        )


class Watcher:
    """Shows what the keeper reports while a release starts: each phase once, figures every few seconds."""

    def __init__(self, device: str, out: Output) -> None:
        self._device = device
        self._out = out
        self._last = ""
        self._shown_s = 0.0

    def __call__(self, event: Event) -> None:
        """One event of the keeper."""
        if event.kind in ("state", "progress") and event.message and event.message != self._last:
            self._last = event.message
            self._out.note(f"{self._device}: {event.message}")
        elif event.report is not None and time.monotonic() - self._shown_s > 2:
            self._shown_s = time.monotonic()
            report = event.report
            figures = f"{report.fps:.1f} fps, p99 {report.p99_ms:.0f} ms, {counted(report.frames, 'frame')}"
            self._out.note(f"{self._device}:   {report.phase} {report.message or figures}")
