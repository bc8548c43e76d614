"""`edgekit trace`: what a scheduler decides, as a trace for Perfetto."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgekit.cli.keeper_session import DeviceArgument, OneApplication, access_of
from edgekit.cli.session import JsonFlag, local, output_for
from edgekit.cli.verbs import examples
from edgekit.errors import InputError
from edgekit.schema.units import counted, format_bytes

if TYPE_CHECKING:
    from rich.console import Group

    from edgekit.host.workflow.trace import WrittenTrace
    from edgekit.schema.trace import ReplayReply


@examples(
    "edgekit trace gate-7",
    "edgekit trace gate-7 gate-watch --seconds 5 --out slow.trace.json",
    "edgekit trace --replay slow.trace.json",
)
def trace(
    ctx: typer.Context,
    device: DeviceArgument = "",
    application: OneApplication = "",
    seconds: Annotated[float, typer.Option(min=0.1, max=300, help="How long to record.")] = 20.0,
    out: Annotated[Path | None, typer.Option(help="The file; without it DEVICE-APPLICATION.trace.json.")] = None,
    replay: Annotated[
        Path | None, typer.Option(help="Record nothing: have the scheduler decide anew what stands in this trace.")
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Record what waits, what the scheduler decides and what runs where, for Perfetto (ui.perfetto.dev)."""
    from edgekit.host.workflow.trace import WantedTrace, record_trace, replay_trace

    output = output_for(as_json)
    if (replay is None) == (not device):
        raise InputError("one device is recorded, or one file replayed", hint="edgekit trace DEVICE, or --replay FILE")
    if replay is not None:
        reply = replay_trace(replay, local())
        output.result(reply, _replayed(reply))
        if reply.differences:
            raise typer.Exit(8)
        return
    written = record_trace(
        device, WantedTrace(application=application, seconds=seconds, out=out), access_of(ctx), output
    )
    output.result(written, _written(written))


def _written(done: WrittenTrace) -> Group:
    from rich.console import Group

    from edgekit.cli.output import table

    rows = [
        (
            one.lane,
            one.stream,
            str(one.came),
            str(one.worked),
            ", ".join(f"{count} {cause}" for cause, count in one.dropped.items()) or "0",
            f"{one.waited_p50_ms:.1f} / {one.waited_p99_ms:.1f} ms",
            f"{one.worked_p50_ms:.1f} / {one.worked_p99_ms:.1f} ms",
        )
        for one in done.streams
    ]
    early = ", and full: it ends early" if done.full else ""
    return Group(
        table(("lane", "stream", "came", "done", "dropped", "waited p50 / p99", "took p50 / p99"), rows),
        f"{done.file}: {done.seconds:.1f} s of {done.application}, {format_bytes(done.bytes)}{early}",
        "open it in https://ui.perfetto.dev, which keeps it on this machine",
    )


def _replayed(reply: ReplayReply) -> str:
    if not reply.differences:
        return f"{counted(reply.decisions, 'decision')}, all the same again"
    found = [
        f"lane {one.lane} at {one.at_s:.6f} s: {one.recorded} was recorded, now it is: {one.found}"
        for one in reply.differences
    ]
    return "\n".join([*found, f"of {counted(reply.decisions, 'decision')}: this edgekit decides otherwise"])
