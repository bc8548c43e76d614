"""`edgekit clips`: video of events that lies on a device."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgekit.cli.keeper_session import DeviceArgument, OneApplication, access_of
from edgekit.cli.session import JsonFlag, output_for
from edgekit.cli.verbs import Verbs, examples
from edgekit.schema.units import counted, format_bytes

if TYPE_CHECKING:
    from rich.table import Table

    from edgekit.host.workflow.clips import BoardClip, BoardClips, FetchedClips

app = Verbs("Video of events, which a recipe's `clip` sink keeps on the device.")
StreamOption = Annotated[str, typer.Option(help="Only those of this source.")]
NewestOption = Annotated[int, typer.Option(min=0, max=1_000_000, help="So many of the newest; 0: all.")]


@app.command("list")
@examples("edgekit clips list gate-7", "edgekit clips list gate-7 gate-watch --stream north --newest 10")
def list_(
    ctx: typer.Context,
    device: DeviceArgument,
    application: OneApplication = "",
    stream: StreamOption = "",
    newest: NewestOption = 0,
    as_json: JsonFlag = False,
) -> None:
    """List clips on a device, the newest first: when, of which source, what happened, how long and large."""
    from edgekit.host.workflow.clips import WantedClips, see_clips

    wanted = WantedClips(application=application, stream=stream, newest=newest)
    found = see_clips(device, wanted, access_of(ctx))
    output_for(as_json).result(found, _listed(found))


@app.command()
@examples(
    "edgekit clips get gate-7 --newest 5",
    "edgekit clips get gate-7 gate-watch --stream north --to evidence",
    "edgekit clips get gate-7 --file 20261126T101951-123Z_gate_crossed_door.mp4",
)
def get(
    ctx: typer.Context,
    device: DeviceArgument,
    application: OneApplication = "",
    to: Annotated[Path, typer.Option(help="Where the sink's folder of clips is made.")] = Path(),
    stream: StreamOption = "",
    newest: NewestOption = 0,
    file: Annotated[list[str] | None, typer.Option(help="The clip of this name; may be given again.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Fetch clips and their notes from a device; what is here is not fetched again, a cut transfer goes on."""
    from edgekit.host.workflow.clips import WantedClips, fetch_clips

    out = output_for(as_json)
    wanted = WantedClips(application=application, stream=stream, newest=newest, files=tuple(file or ()))
    done = fetch_clips(device, wanted, to, access_of(ctx), out)
    out.result(done, _fetched(done))


def _listed(found: BoardClips) -> Table | str:
    from edgekit.cli.output import table

    if not found.clips:
        return f"{found.device}: {found.application} has no clips"
    rows = [
        (
            _time(clip),
            clip.stream or "?",
            clip.event + (f" and {clip.events - 1} more" if clip.events > 1 else ""),
            "?" if clip.seconds is None else f"{clip.seconds:.1f} s" + (f" ({clip.short})" if clip.short else ""),
            format_bytes(clip.bytes),
            clip.file,
        )
        for clip in found.clips
    ]
    return table(("time (UTC)", "stream", "event", "length", "size", "clip"), rows)


def _time(clip: BoardClip) -> str:
    return "?" if clip.at_s is None else f"{datetime.fromtimestamp(clip.at_s, timezone.utc):%Y-%m-%d %H:%M:%S}"


def _fetched(done: FetchedClips) -> str:
    lines = [*done.fetched, f"{counted(len(done.fetched), 'clip')} fetched ({format_bytes(done.bytes)})"]
    if done.already:
        lines.append(f"{counted(len(done.already), 'clip')} here already")
    if done.gone:
        lines.append(f"{counted(len(done.gone), 'clip')} went meanwhile, to make room on {done.device}")
    return "\n".join(lines)
