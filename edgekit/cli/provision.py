"""`edgekit provision`: the keeper onto a device."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edgekit.cli.keeper_session import DeviceArgument
from edgekit.cli.session import JsonFlag, settings_of, voice
from edgekit.cli.verbs import examples


@examples(
    "edgekit provision gate-7 --plan",
    "edgekit provision gate-7",
    "edgekit provision root@10.0.0.7 --allowed-signers signers",
)
def provision(
    ctx: typer.Context,
    device: DeviceArgument,
    plan: Annotated[bool, typer.Option("--plan", help="Show what would change, and change nothing.")] = False,
    allowed_signers: Annotated[
        Path | None, typer.Option(help="Who may sign releases (OpenSSH's format); by default you alone.")
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Install the keeper on a device. Run twice, it changes nothing."""
    from edgekit.errors import InputError
    from edgekit.host.fleet.connection import connect
    from edgekit.host.fleet.inventory import find_device, fleet_signers
    from edgekit.host.fleet.keeper import build_keeper
    from edgekit.host.fleet.provision import Desired, apply_provision, check_ready, look, plan_provision

    settings, out = settings_of(ctx), voice(as_json)
    found = find_device(device, settings)
    signers = allowed_signers or fleet_signers(settings) or settings.allowed_signers
    if not signers.is_file():
        raise InputError(f"{signers} is not there: nobody could sign", hint="edgekit keys init makes your key")
    desired = Desired(device=found, keeper=build_keeper(), allowed_signers=signers.read_bytes())
    executor = connect(found)
    try:
        with out.step(f"{device}: looking at what is there"):
            present = look(desired, executor)
        check_ready(desired, present, device)
        changes = plan_provision(desired, present)
        for change in changes:
            out.note(f"  {'would ' if plan else ''}{change.what}")
        if not plan and changes:
            with out.step(f"{device}: {len(changes)} changes"):
                apply_provision(desired, executor, changes, sudo=desired.systemd and present["uid"] != 0)
    finally:
        executor.close()
    done = "nothing to change" if not changes else f"{len(changes)} changes {'planned' if plan else 'done'}"
    told = {"device": device, "changes": [change.what for change in changes], "applied": not plan}
    out.result(told, f"{device}: {done}")
