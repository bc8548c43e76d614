"""`edgekit rollback`: an application's previous release again."""

from __future__ import annotations

import typer

from edgekit.cli.keeper_session import DeviceArgument, OneApplication, keeper_of
from edgekit.cli.session import JsonFlag, output_for
from edgekit.cli.verbs import examples


@examples("edgekit rollback gate-7", "edgekit rollback gate-7 sorting-line")
def rollback(
    ctx: typer.Context, device: DeviceArgument, application: OneApplication = "", as_json: JsonFlag = False
) -> None:
    """Activate an application's previous release, health-checked like any other."""
    from edgekit.cli.deploy import Watcher
    from edgekit.host.link.client import ACTIVATION_S

    out = output_for(as_json)
    with keeper_of(ctx, device) as keeper:
        watch = Watcher(device, out)
        answer = keeper.ask("rollback", application=application, watch=watch, patience_s=ACTIVATION_S)
    to = answer["to"]
    assert isinstance(to, dict)
    out.result(answer, f"{device}: {to['application']} {to['version']} {to['digest'][:12]} runs again")
