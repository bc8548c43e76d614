"""`edgekit why`: the cause of the last roll-back, restart or refusal on a device, in one sentence with evidence."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TYPE_CHECKING, Annotated

import typer

from edgekit.cli.keeper_session import DeviceArgument, access_of
from edgekit.cli.session import JsonFlag, output_for
from edgekit.cli.verbs import examples

if TYPE_CHECKING:
    from edgekit.host.workflow.why import ExplainedIncident, Why

_EarlierOption = Annotated[int, typer.Option(min=0, max=32, help="Name so many of those before it too.")]


@examples("edgekit why gate-7", "edgekit why gate-7 sorting-line --earlier 5")
def why(
    ctx: typer.Context,
    device: DeviceArgument,
    application: Annotated[str, typer.Argument(help="Of this one; else of any, whichever was last.")] = "",
    earlier: _EarlierOption = 0,
    as_json: JsonFlag = False,
) -> None:
    """Tell the cause of the last roll-back, restart or refusal on a device, with the evidence."""
    from edgekit.host.workflow.why import find_why

    found = find_why(device, application, access_of(ctx))
    output_for(as_json).result(found, "\n".join(describe(found, earlier)))


def describe(found: Why, earlier: int = 0) -> list[str]:
    """An answer for people: the sentence first."""
    lines = []
    for one in found.now:
        lines += [f"{found.device}: now: {one.sentence}", *_details(one), ""]
    if found.last is None:
        whose = f"{found.application} " if found.application else ""
        return [
            *lines,
            f"{found.device}: {whose}was neither rolled back, restarted nor refused, as far as it remembers",
        ]
    lines += [f"{found.device}: {_time(found.last)}: {found.last.sentence}", *_details(found.last)]
    lines += [f"  since     {_time(one)}: {one.sentence}" for one in found.since]
    lines += [f"  earlier   {_time(one)}: {one.sentence}" for one in found.earlier[:earlier]]
    return lines


def _details(one: ExplainedIncident) -> list[str]:
    lines = [f"  cause     {one.cause}"]
    lines += [f"  evidence  {text}" for text in one.evidence]
    lines += [f"  | {line}" for line in one.log]
    return [*lines, f"  hint      {one.hint}"]


def _time(one: ExplainedIncident) -> str:
    try:
        return f"{datetime.fromtimestamp(one.at_s, timezone.utc):%Y-%m-%d %H:%M:%S} UTC"
    except (OverflowError, ValueError, OSError):
        return "at a time out of all bounds"
