"""`edgekit logs`: what applications and the keeper wrote."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from edgekit.cli.keeper_session import DeviceArgument, keeper_of
from edgekit.cli.session import JsonFlag, output_for
from edgekit.cli.verbs import examples

if TYPE_CHECKING:
    from edgekit.schema.control import Event


@examples("edgekit logs gate-7", "edgekit logs gate-7 sorting-line -f", "edgekit logs gate-7 -n 500 --json")
def logs(
    ctx: typer.Context,
    device: DeviceArgument,
    application: Annotated[str, typer.Argument(help="Only this one's lines; else all, and the keeper's own.")] = "",
    follow: Annotated[bool, typer.Option("-f", "--follow", help="Go on until interrupted.")] = False,
    lines: Annotated[int, typer.Option("-n", "--lines", min=0, max=2000, help="How many of the last lines.")] = 100,
    as_json: JsonFlag = False,
) -> None:
    """Show what applications and the keeper wrote. With --json and --follow one object a line."""
    out = output_for(as_json)
    found: list[dict[str, object]] = []

    def show(event: Event) -> None:
        if event.kind != "log":
            return
        whose = event.data.get("application")
        line = {"at_s": event.data.get("at_s"), "application": whose, "line": event.message}
        if as_json and not follow:
            found.append(line)
        else:
            out.line(line, event.message if application or not whose else f"{whose}: {event.message}")

    with keeper_of(ctx, device) as keeper:
        keeper.logs(show, application=application, lines=lines, follow=follow)
    if as_json and not follow:
        out.result({"lines": found})
