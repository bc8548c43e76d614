"""`edgekit deploy`: a release onto a device."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edgekit.cli.complete import device_names
from edgekit.cli.keeper_session import ActivationOutput, access_of
from edgekit.cli.session import JsonFlag, output_for, workstation_of
from edgekit.cli.verbs import examples


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
    from edgekit.host.workflow.deploy import deploy_release

    output, access = output_for(as_json), access_of(ctx)
    if plan:
        from edgekit.cli.deploy_plan import show_fit
        from edgekit.host.workflow.fitting import ask_devices

        show_fit(ask_devices(release, devices, access, workstation_of(ctx, output)), output)
        return
    if len(devices) > 1:
        from edgekit.errors import InputError

        message = f"{len(devices)} devices are named, and this edgekit deploys to one at a time"
        raise InputError(message, hint="deploy to one after the other; --plan takes several")
    (device,) = devices
    done = deploy_release(release, device, access, workstation_of(ctx, output), ActivationOutput(device, output))
    word = "committed" if done.changed else "runs already: nothing to do"
    output.result(done, f"{device}: {done.application} {done.version} {done.digest[:12]} {word}")
