"""`edgekit builder`: boards that compile engines for their kind."""

from __future__ import annotations

import typer

from edgekit.cli.keeper_session import DeviceArgument
from edgekit.cli.session import JsonFlag, output_for, workstation_of
from edgekit.cli.verbs import Verbs, examples

app = Verbs("Builder devices: boards that compile engines for their kind.")


@app.command()
@examples("edgekit builder clean bench-orin", "edgekit builder clean root@10.0.0.9 --json")
def clean(ctx: typer.Context, device: DeviceArgument, as_json: JsonFlag = False) -> None:
    """Delete what a builder device keeps of builds: models, packages, engines. The next build sends all again."""
    from edgekit.host.workflow.builders import clean_builder
    from edgekit.schema.units import format_bytes

    out = output_for(as_json)
    cleaned = clean_builder(device, workstation_of(ctx, out))
    out.result(cleaned, f"{cleaned.device}: {format_bytes(cleaned.bytes)} freed in {cleaned.folder}")
