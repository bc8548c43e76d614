"""`edgekit metrics`: figures for Prometheus."""

from __future__ import annotations

import typer

from edgekit.cli.keeper_session import DeviceArgument, OneApplication, keeper_of
from edgekit.cli.session import JsonFlag, output_for
from edgekit.cli.verbs import examples


@examples("edgekit metrics gate-7", "edgekit metrics gate-7 sorting-line")
def metrics(
    ctx: typer.Context, device: DeviceArgument, application: OneApplication = "", as_json: JsonFlag = False
) -> None:
    """Print the keeper's figures of all applications, and one's own, in Prometheus's text format."""
    with keeper_of(ctx, device) as keeper:
        text = str(keeper.ask("metrics", application=application).get("text", ""))
    output_for(as_json).result({"text": text}, text.rstrip("\n"))
