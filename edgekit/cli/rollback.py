"""`edgekit rollback`: the previous release again."""

from __future__ import annotations

import typer

from edgekit.cli.keeper_session import DeviceArgument, keeper_of
from edgekit.cli.session import JsonFlag, output_for
from edgekit.cli.verbs import examples


@examples("edgekit rollback gate-7")
def rollback(ctx: typer.Context, device: DeviceArgument, as_json: JsonFlag = False) -> None:
    """Activate the previous release, health-checked like any other."""
    from edgekit.cli.deploy import Watcher
    from edgekit.host.link.client import ACTIVATION_S

    out = output_for(as_json)
    with keeper_of(ctx, device) as keeper:
        answer = keeper.ask("rollback", watch=Watcher(device, out), patience_s=ACTIVATION_S)
        current = keeper.status().current
    assert current is not None
    out.result(answer, f"{device}: {current.application} {current.version} {current.digest[:12]} runs again")
