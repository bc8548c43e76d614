"""`edgekit deploy`: a release onto a device."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgekit.cli.complete import device_names
from edgekit.cli.keeper_session import ActivationOutput, BreakLock, access_of
from edgekit.cli.session import JsonFlag, output_for, workstation_of
from edgekit.cli.verbs import examples
from edgekit.schema.units import format_bytes, parse_bytes

if TYPE_CHECKING:
    from edgekit.host.workflow.deploy import DeployResult

_LEAST_BANDWIDTH = 1000
"""Bytes a second: at less no deployment ends."""


def _size(option: str, text: str | None, least: int = 0) -> int | None:
    """A number of bytes as it is written, `4kB`, `1.5M`; None where the option is not given."""
    if text is None:
        return None
    try:
        size = parse_bytes(text)
    except ValueError as error:
        raise typer.BadParameter(f"{text!r} is no size: expected {error}", param_hint=option) from None
    if size < least:
        raise typer.BadParameter(f"{text!r} is less than {format_bytes(least)}", param_hint=option)
    return size


@examples(
    "edgekit deploy out/line gate-7",
    "edgekit deploy out/line gate-7 gate-8 --plan",
    "edgekit deploy out/line root@10.0.0.7 --bandwidth 200kB --max-bytes 5MB",
)
def deploy(
    ctx: typer.Context,
    release: Annotated[Path, typer.Argument(help="A release's folder, as `edgekit build --out` made it.")],
    devices: Annotated[
        list[str],
        typer.Argument(help="Names from fleet.toml, running boards, or USER@HOST[:PORT].", autocompletion=device_names),
    ],
    plan: Annotated[
        bool,
        typer.Option("--plan", help="Only say for each device whether it takes the release, and what would be sent."),
    ] = False,
    max_bytes: Annotated[
        str | None, typer.Option(metavar="SIZE", help="Refuse before sending files where more would be sent: 5MB.")
    ] = None,
    bandwidth: Annotated[
        str | None, typer.Option(metavar="SIZE", help="Send no more than so much a second: 200kB.")
    ] = None,
    permit: Annotated[
        bool,
        typer.Option("--permit", help="Sign that the device may take this release though it is older than it had."),
    ] = False,
    break_lock: BreakLock = False,
    as_json: JsonFlag = False,
) -> None:
    """Send a release to a device, activate it and wait until it is healthy; else the old one runs again."""
    from edgekit.host.workflow.shipment import SendLimits

    limits = SendLimits(
        max_bytes=_size("--max-bytes", max_bytes),
        bandwidth_bytes_per_s=_size("--bandwidth", bandwidth, _LEAST_BANDWIDTH),
    )
    output, access = output_for(as_json), access_of(ctx)
    if plan:
        from edgekit.cli.deploy_plan import show_plan
        from edgekit.host.workflow.deploy_plan import PlanJob, plan_deploys

        job = PlanJob(release=release, limits=limits, permit=permit)
        show_plan(plan_deploys(job, devices, access, workstation_of(ctx, output)), output)
        return
    if len(devices) > 1:
        from edgekit.errors import InputError

        message = f"{len(devices)} devices are named, and this edgekit deploys to one at a time"
        raise InputError(message, hint="deploy to one after the other; --plan takes several")
    from edgekit.host.workflow.deploy import DeployJob, deploy_release

    (device,) = devices
    deploy_job = DeployJob(release=release, device=device, limits=limits, permit=permit, break_lock=break_lock)
    done = deploy_release(deploy_job, access, workstation_of(ctx, output), ActivationOutput(device, output))
    word = f"committed{_saved(done)}" if done.changed else "runs already: nothing to do"
    output.result(done, f"{device}: {done.application} {done.version} {done.digest[:12]} {word}")


def _saved(done: DeployResult) -> str:
    """How little was sent of how much."""
    saved = 1 - done.sent_bytes / max(1, done.release_bytes)
    return f", {format_bytes(done.sent_bytes)} sent of {format_bytes(done.release_bytes)}: {max(0, saved):.1%} saved"
