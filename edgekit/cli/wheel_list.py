"""`edgekit wheel list`: the cache of built wheels."""

from __future__ import annotations

import time

import typer

from edgekit.cli.session import JsonFlag, output_for, settings_of
from edgekit.cli.verbs import examples

_DAY_S = 86400.0


@examples("edgekit wheel list")
def list_(ctx: typer.Context, as_json: JsonFlag = False) -> None:
    """List the wheels that were built here: for which Python and glibc, with what, how large, when last used."""
    from edgekit.cli.output import table
    from edgekit.host.workflow.wheel_cache import built_wheels
    from edgekit.schema.units import format_bytes

    cached = built_wheels(settings_of(ctx))
    headers = ("package", "for", "with", "size", "built in", "unused")
    rows = []
    for wheel in cached:
        record = wheel.record
        unused = f"{(time.time() - wheel.used_s) / _DAY_S:.0f} d"
        made = (f"{record.name} {record.version}", record.made.abi, record.made.compiler)
        rows.append((*made, format_bytes(record.bytes), f"{record.seconds:.1f} s", unused))
    wheels = [
        {"key": wheel.key, "path": str(wheel.wheel), "used_s": wheel.used_s, "built": wheel.record} for wheel in cached
    ]
    output_for(as_json).result({"wheels": wheels}, table(headers, rows) if cached else "no wheels were built here yet")
