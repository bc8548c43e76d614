"""`edgekit wheel list` and `wheel gc`: the cache of built wheels."""

from __future__ import annotations

import time

import typer

from edgekit.cli.session import DaysOption, JsonFlag, output_for, settings_of
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


@examples("edgekit wheel gc", "edgekit wheel gc --days 0")
def gc(
    ctx: typer.Context,
    days: DaysOption = 30.0,
    as_json: JsonFlag = False,
) -> None:
    """Throw away built wheels and laid-out packages that nobody used for long, and what cut-off builds have left."""
    from edgekit.host.workflow.wheel_cache import delete_wheels
    from edgekit.schema.units import counted, format_bytes

    gone = delete_wheels(settings_of(ctx), days, time.time())
    result = {
        "wheels": [wheel.record.filename for wheel in gone.wheels],
        "sites": gone.sites,
        "freed_bytes": gone.freed_bytes,
    }
    what = f"{counted(len(gone.wheels), 'wheel')} and {counted(gone.sites, 'laid-out set')} of packages thrown away"
    output_for(as_json).result(result, f"{what}, {format_bytes(gone.freed_bytes)} freed")
