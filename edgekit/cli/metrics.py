"""`edgekit metrics`: figures for Prometheus, and the dashboard that shows them."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from edgekit.cli.keeper_session import DeviceArgument, keeper_of
from edgekit.cli.session import JsonFlag, output_for
from edgekit.cli.verbs import examples

_Application = Annotated[str, typer.Argument(help="Whose worker's own figures; none: those of all workers.")]


@examples("edgekit metrics gate-7", "edgekit metrics gate-7 sorting-line", "edgekit metrics --dashboard")
def metrics(
    ctx: typer.Context,
    device: DeviceArgument = "",
    application: _Application = "",
    dashboard: Annotated[bool, typer.Option("--dashboard", help="Print a Grafana dashboard of them instead.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Print the figures of a device, of its applications and of their workers, in Prometheus's text format."""
    if dashboard:
        _dashboard(device, as_json=as_json)
        return
    if not device:
        raise typer.BadParameter("missing; or write --dashboard", param_hint="DEVICE")
    with keeper_of(ctx, device) as keeper:
        text = str(keeper.ask("metrics", application=application).get("text", ""))
    output_for(as_json).result({"text": text}, text.rstrip("\n"))


def _dashboard(device: str, *, as_json: bool) -> None:
    """For all devices: which one is looked at is chosen there."""
    from edgekit.host.workflow.dashboard import dashboard

    if device:
        raise typer.BadParameter("it is for all devices: leave the device out", param_hint="--dashboard")
    made = dashboard()
    output_for(as_json).result(made, json.dumps(made, indent=1, sort_keys=True))
