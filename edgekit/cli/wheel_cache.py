"""`edgekit wheel list` and `wheel gc`: the cache of built wheels."""

from __future__ import annotations

import time

import typer

from edgekit.cli.session import DaysOption, JsonFlag, settings_of, voice

_DAY_S = 86400.0


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
    voice(as_json).result({"wheels": told}, table(headers, rows) if kept else "no wheels were built here yet")


def gc(
    ctx: typer.Context,
    days: DaysOption = 30.0,
    as_json: JsonFlag = False,
) -> None:
    """Throw away built wheels that nobody used for long, and what builds that were cut off have left."""
    from edgekit.cli.wheel_kit import wheel_places
    from edgekit.host.wheel.cross.leftovers import remove_leftovers
    from edgekit.host.wheel.cross.store import WheelStore
    from edgekit.schema.units import format_bytes

    places, now_s = wheel_places(settings_of(ctx)), time.time()
    gone = WheelStore(places.wheels).forget(days, now_s)
    freed = sum(wheel.record.bytes for wheel in gone) + remove_leftovers(places, days, now_s)
    told = {"wheels": [wheel.record.filename for wheel in gone], "freed_bytes": freed}
    voice(as_json).result(told, f"{len(gone)} wheels thrown away, {format_bytes(freed)} freed")
