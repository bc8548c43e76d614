"""`edgekit rollback`: an application's previous release again."""

from __future__ import annotations

import typer

from edgekit.cli.keeper_session import ActivationOutput, BreakLock, DeviceArgument, OneApplication, keeper_of
from edgekit.cli.session import JsonFlag, output_for
from edgekit.cli.verbs import examples


@examples("edgekit rollback gate-7", "edgekit rollback gate-7 sorting-line")
def rollback(
    ctx: typer.Context,
    device: DeviceArgument,
    application: OneApplication = "",
    break_lock: BreakLock = False,
    as_json: JsonFlag = False,
) -> None:
    """Activate an application's previous release, health-checked like any other."""
    output = output_for(as_json)
    with keeper_of(ctx, device) as keeper:
        answer = keeper.change("rollback", application, ActivationOutput(device, output), break_lock=break_lock)
    to = answer["to"]
    assert isinstance(to, dict)
    output.result(answer, f"{device}: {to['application']} {to['version']} {to['digest'][:12]} runs again")
