"""`edgekit cache`: what edgekit has made or fetched and keeps for the next time."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated

import typer

from edgekit.cli.session import JsonFlag, OlderThan, output_for, settings_of
from edgekit.cli.verbs import Verbs, examples

if TYPE_CHECKING:
    from collections.abc import Iterable

    from edgekit.host.cache import Entry

app = Verbs("What is cached: packages, compilers, wheels, engines, boards. All of it can be made again.")
Kinds = Annotated[list[str] | None, typer.Option("--kind", help="Only this kind; may be given more than once.")]
_DAY_S = 86400.0
_DEFAULT_DAYS = 30.0


@app.command("list")
@examples("edgekit cache list", "edgekit cache list --kind wheels --kind sites --json")
def list_(ctx: typer.Context, kind: Kinds = None, as_json: JsonFlag = False) -> None:
    """List what is cached, by kind; with --kind every entry: how large, how old, when last used."""
    from edgekit.cli.output import table
    from edgekit.host.workflow.cache import list_cache

    entries, now_s = list_cache(settings_of(ctx), kind or ()), time.time()
    rows = _each(entries, now_s) if kind else _by_kind(entries, now_s)
    headers = ("kind", "what" if kind else "entries", "size", "made", "last used", *(["key"] if kind else ()))
    output_for(as_json).result({"entries": _raw(entries)}, table(headers, rows) if entries else "nothing is cached")


@app.command()
@examples("edgekit cache gc", "edgekit cache gc --older-than 7", "edgekit cache gc --max-bytes 10GiB --kind sites")
def gc(
    ctx: typer.Context,
    older_than: OlderThan = None,
    max_bytes: Annotated[str, typer.Option(help="Then what was unused the longest, until so much is left.")] = "",
    kind: Kinds = None,
    as_json: JsonFlag = False,
) -> None:
    """Throw away what nobody used for 30 days, or as said. What running commands and boards use stays."""
    from edgekit.host.workflow.cache import collect_cache
    from edgekit.schema.units import counted, format_bytes

    days = _DEFAULT_DAYS if older_than is None and not max_bytes else older_than
    older_than_s = None if days is None else days * _DAY_S
    gone = collect_cache(settings_of(ctx), older_than_s=older_than_s, max_bytes=_bytes(max_bytes), names=kind or ())
    text = f"{counted(len(gone.entries), 'entry')} thrown away, {format_bytes(gone.freed_bytes)} freed"
    text += f"; {gone.in_use} in use were left" if gone.in_use else ""
    result = {"entries": _raw(gone.entries), "freed_bytes": gone.freed_bytes, "in_use": gone.in_use}
    output_for(as_json).result(result, text)


@app.command()
@examples("edgekit cache verify", "edgekit cache verify --repair", "edgekit cache verify --kind sites --kind wheels")
def verify(
    ctx: typer.Context,
    repair: Annotated[bool, typer.Option("--repair", help="Throw away what is damaged: it is made again.")] = False,
    kind: Kinds = None,
    as_json: JsonFlag = False,
) -> None:
    """Read everything and compare it with what was cached; exit code 6 when something is left that differs."""
    from edgekit.host.workflow.cache import verify_cache
    from edgekit.schema.units import counted, format_bytes

    out = output_for(as_json)
    checked = verify_cache(settings_of(ctx), out, repair=repair, names=kind or ())
    left = [one for one in checked.damaged if not one.removed]
    lines = [
        f"{one.entry.kind}/{one.entry.key}: {one.reason}{'; thrown away' if one.removed else ''}"
        for one in checked.damaged
    ]
    lines.append(f"{counted(checked.entries, 'entry')}, {format_bytes(checked.bytes)}: {len(checked.damaged)} damaged")
    if checked.unchecked:
        kinds = ", ".join(sorted({entry.kind for entry in checked.unchecked}))
        lines.append(f"{counted(len(checked.unchecked), 'entry')} without a digest, which nothing can check: {kinds}")
    if left:
        lines.append(
            "wait for the running command that uses it, then try again"
            if repair
            else "throw it away: edgekit cache verify --repair"
        )
    damaged = [
        {"kind": one.entry.kind, "key": one.entry.key, "reason": one.reason, "removed": one.removed}
        for one in checked.damaged
    ]
    facts = {"entries": checked.entries, "bytes": checked.bytes, "unchecked": len(checked.unchecked)}
    out.result({**facts, "damaged": damaged}, "\n".join(lines))
    if left:
        raise typer.Exit(6)


def _bytes(text: str) -> int | None:
    from edgekit.errors import InputError
    from edgekit.schema.units import parse_bytes

    try:
        return parse_bytes(int(text) if text.isdecimal() else text) if text else None
    except ValueError as error:
        raise InputError(f"--max-bytes {text}: {error}", hint="edgekit cache gc --max-bytes 10GiB") from None


def _raw(entries: Iterable[Entry]) -> list[dict[str, object]]:
    import dataclasses

    return [dataclasses.asdict(entry) | {"path": str(entry.path)} for entry in entries]


def _by_kind(entries: Iterable[Entry], now_s: float) -> list[tuple[str, ...]]:
    from edgekit.schema.units import format_bytes

    kinds: dict[str, list[Entry]] = {}
    for entry in entries:
        kinds.setdefault(entry.kind, []).append(entry)
    return [
        (
            kind,
            str(len(found)),
            format_bytes(sum(entry.bytes for entry in found)),
            _ago(min(entry.made_s for entry in found), now_s),
            _ago(max(entry.used_s for entry in found), now_s),
        )
        for kind, found in kinds.items()
    ]


def _each(entries: Iterable[Entry], now_s: float) -> list[tuple[str, ...]]:
    from edgekit.schema.units import format_bytes

    return [
        (
            entry.kind,
            entry.title,
            format_bytes(entry.bytes),
            _ago(entry.made_s, now_s),
            _ago(entry.used_s, now_s),
            entry.key if len(entry.key) <= 24 else f"{entry.key[:21]}...",
        )
        for entry in entries
    ]


def _ago(then_s: float, now_s: float) -> str:
    return f"{max(0.0, now_s - then_s) / _DAY_S:.0f} d ago" if then_s else "never"
