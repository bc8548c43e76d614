"""`edgekit plan`: will it fit, will it keep up."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgekit.cli.complete import TargetOption, device_names
from edgekit.cli.profile import parse_size
from edgekit.cli.session import JsonFlag, output_for, workstation_of
from edgekit.cli.verbs import examples

if TYPE_CHECKING:
    from rich.console import RenderableType

    from edgekit.host.forecast.memory import MemoryForecast
    from edgekit.host.workflow.plan import PlanResult


@examples(
    "edgekit plan recipes/gate-watch --target rk3588-debian12 --cameras 4 --size 1920x1080",
    "edgekit plan recipes/gate-watch --target rk3588-debian12 --clip yard.mp4=2 --clip door.mp4=2",
    "edgekit plan recipes/gate-watch --target host --profile gate-watch.host.profile.json",
    "edgekit plan out/line --device gate-7 --profile gate-7.profile.json --picture lanes.svg",
)
def plan(
    ctx: typer.Context,
    recipe: Annotated[Path, typer.Argument(help="A recipe's folder, or a release's.")],
    target: TargetOption = "",
    device: Annotated[
        str, typer.Option(help="A board whose applications count, and its cameras.", autocompletion=device_names)
    ] = "",
    profile: Annotated[
        Path | None, typer.Option(help="What `edgekit profile` has written: without it no times.")
    ] = None,
    cameras: Annotated[int, typer.Option(min=0, max=64, help="How many; 0: as many as the recipe has.")] = 0,
    size: Annotated[str, typer.Option(help="WIDTHxHEIGHT; by default as on the device, else the profile's.")] = "",
    fps: Annotated[float, typer.Option(min=0, max=120, help="Of each camera; by default as its size.")] = 0.0,
    clip: Annotated[
        list[str] | None,
        typer.Option(help="FILE or FILE=N: a recording of one camera, or of N alike; may be repeated."),
    ] = None,
    picture: Annotated[Path | None, typer.Option(help="SVG file to draw lanes over time into.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Foretell memory line by line, and frames a second, latency and how many cameras fit, from a profile.

    Exit code 8 where it cannot fit: the limit of its memory, or the board's memory with all applications together.
    """
    from edgekit.cli.keeper_session import access_of
    from edgekit.host.workflow.plan import PlanOptions, plan_ahead

    output = output_for(as_json)
    options = PlanOptions(
        target=target,
        device=device,
        profile=profile,
        cameras=cameras,
        size=parse_size(size) if size else None,
        fps=fps,
        clips=tuple(clip or ()),
        picture=picture,
    )
    found = plan_ahead(recipe, options, access_of(ctx), workstation_of(ctx, output))
    output.result(found, _text(found))
    if found.refusals:
        raise typer.Exit(8)


def _text(found: PlanResult) -> RenderableType:
    from rich.console import Group

    from edgekit.schema.units import counted, format_bytes

    seen = ", ".join(f"{counted(kind.count, 'camera')} of {kind.size} at {kind.fps:g} fps" for kind in found.cameras)
    parts: list[RenderableType] = [f"{found.application} {found.version} for {found.target}, {seen}", ""]
    parts += _memory(found.memory)
    if found.memory.accelerators:
        beside = any(share.accelerator_bytes for share in found.board)
        parts.append(f"what accelerators take {'comes beside memory_max' if beside else 'is charged to the process'}")
    if found.board:
        each = ", ".join(map(str, found.board))
        parts.append(f"on the board together: {each}; there are {format_bytes(found.board_bytes)} for applications")
    if found.busy_percent:
        each = ", ".join(f"{name} {percent:.4g} %" for name, percent in found.busy_percent.items())
        parts.append(f"accelerators busy: {each}")
    if found.loads:
        parts += ["", f"times, as measured on {found.profiled}:", *_loads(found)]
    parts += [f"lanes over time: {found.picture}"] if found.picture else []
    parts += [f"warning: {text}" for text in found.warnings]
    parts += [f"does not fit: {text}" for text in found.refusals]
    return Group(*parts)


def _memory(memory: MemoryForecast) -> list[RenderableType]:
    from edgekit.cli.output import table
    from edgekit.schema.units import format_bytes

    rows = [(one.owner, _mib(one.usual_bytes), _mib(one.most_bytes), one.known_from) for one in memory.lines]
    rows.append(("together", _mib(memory.usual_bytes), _mib(memory.most_bytes), ""))
    rows += [(one.owner, _mib(one.usual_bytes), _mib(one.most_bytes), one.known_from) for one in memory.accelerators]
    limit = format_bytes(memory.memory_max)
    lines: list[RenderableType] = [
        table(("memory, MiB", "usual", "at most", "known from"), rows),
        f"memory_max is {limit}; pages of files come beside it, and go first: "
        + (f"{_mib(memory.file_bytes)} MiB" if memory.file_bytes else "not known without a profile"),
    ]
    return lines


def _loads(found: PlanResult) -> list[RenderableType]:
    from edgekit.cli.output import table

    rows = [
        (
            str(load.cameras),
            f"{load.fps:.2f}",
            f"{load.p50_ms:.1f}",
            f"{load.p99_ms:.1f}",
            f"{load.together_p99_ms:.1f}",
            f"{100 * load.dropped_ratio:.1f} %",
            ", ".join(f"{name} {100 * busy:.0f} %" for name, busy in load.lanes.items()),
            ", ".join(f"{cpu}: {100 * busy:.0f} %" for cpu, busy in load.cpus.items()),
        )
        for load in found.loads
    ]
    heads = ("cameras", "fps each", "p50 ms", "p99 ms", "p99 all at once", "dropped", "lanes busy", "CPUs busy")
    return [table(heads, rows), most_text(found.most_cameras)]


def most_text(cameras: int) -> str:
    """How many keep up, as `PlanResult.most_cameras` tells it: beyond `MOST_CAMERAS` none were tried."""
    from edgekit.schema.forecast import MOST_CAMERAS
    from edgekit.schema.units import counted

    if cameras >= MOST_CAMERAS:
        return f"{MOST_CAMERAS} such cameras keep up; whether more do was not tried"
    if not cameras:
        return "not one keeps up"
    return f"{counted(cameras, 'such camera')} {'keeps' if cameras == 1 else 'keep'} up, and not one more"


def _mib(count: int) -> str:
    return f"{count / (1 << 20):.1f}"
