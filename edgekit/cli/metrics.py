"""`edgekit metrics`: figures for Prometheus."""

from __future__ import annotations

import typer

from edgekit.cli.keeper_session import DeviceArgument, keeper_of
from edgekit.cli.session import JsonFlag, output_for
from edgekit.cli.verbs import examples


@examples("edgekit metrics gate-7")
def metrics(ctx: typer.Context, device: DeviceArgument, as_json: JsonFlag = False) -> None:
    """Print the keeper's and the application's figures in Prometheus's text format."""
    with keeper_of(ctx, device) as keeper:
        text = str(keeper.ask("metrics").get("text", ""))
    output_for(as_json).result({"text": text}, text.rstrip("\n"))
