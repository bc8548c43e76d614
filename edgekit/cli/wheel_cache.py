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
    from edgekit.cli.wheel_kit import wheel_places
    from edgekit.host.wheel.cross.store import WheelStore
    from edgekit.schema.units import format_bytes

    kept = WheelStore(wheel_places(settings_of(ctx)).wheels).list()
    headers = ("package", "for", "with", "size", "built in", "unused")
    rows = []
    for wheel in kept:
        record = wheel.record
        unused = f"{(time.time() - wheel.used_s) / _DAY_S:.0f} d"
        made = (f"{record.name} {record.version}", record.made.abi, record.made.compiler)
        rows.append((*made, format_bytes(record.bytes), f"{record.seconds:.1f} s", unused))
    told = [
        {"key": wheel.key, "path": str(wheel.wheel), "used_s": wheel.used_s, "built": wheel.record} for wheel in kept
    ]
    output_for(as_json).result({"wheels": told}, table(headers, rows) if kept else "no wheels were built here yet")


@examples("edgekit wheel gc", "edgekit wheel gc --days 0")
def gc(
    ctx: typer.Context,
    days: DaysOption = 30.0,
    as_json: JsonFlag = False,
) -> None:
    """Throw away built wheels and laid-out packages that nobody used for long, and what cut-off builds have left."""
    from edgekit.cli.wheel_kit import wheel_places
    from edgekit.host.cache_users import emptying, remove_all
    from edgekit.host.wheel.cross.leftovers import remove_leftovers
    from edgekit.host.wheel.cross.store import WheelStore
    from edgekit.host.wheel.tree import unused_trees
    from edgekit.schema.units import counted, format_bytes

    settings, now_s = settings_of(ctx), time.time()
    places, sites = wheel_places(settings), settings.cache_dir / "sites"
    with emptying(settings.cache_dir):
        gone = WheelStore(places.wheels).forget(days, now_s)
        trees = unused_trees(sites, days, now_s)
        freed = sum(wheel.record.bytes for wheel in gone) + remove_all(trees) + remove_leftovers(places, days, now_s)
    told = {"wheels": [wheel.record.filename for wheel in gone], "sites": len(trees), "freed_bytes": freed}
    what = f"{counted(len(gone), 'wheel')} and {counted(len(trees), 'laid-out set')} of packages thrown away"
    output_for(as_json).result(told, f"{what}, {format_bytes(freed)} freed")
