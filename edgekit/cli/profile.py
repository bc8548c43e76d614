"""`edgekit profile`: what a release costs on a device, measured there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgekit.cli.keeper_session import DeviceArgument, access_of
from edgekit.cli.session import JsonFlag, output_for, workstation_of
from edgekit.cli.verbs import examples

if TYPE_CHECKING:
    from rich.console import RenderableType

    from edgekit.schema.profile import Profile, SizeProfile

_SIZE = re.compile(r"([1-9][0-9]{1,4})x([1-9][0-9]{1,4})")


@examples(
    "edgekit profile host out/gate-watch-1.0.0-host",
    "edgekit profile gate-7 out/line --size 1280x720 --size 1920x1080 --fps 15",
    "edgekit profile gate-7 out/line --clip north-gate.mp4 --out gate-7.profile.json",
)
def profile(
    ctx: typer.Context,
    device: DeviceArgument,
    release: Annotated[Path, typer.Argument(help="A release's folder; on a board it is installed already.")],
    out: Annotated[Path | None, typer.Option(help="The profile; by default RELEASE.DEVICE.profile.json.")] = None,
    seconds: Annotated[
        float,
        typer.Option(min=2, max=600, help="How long, for each size of picture: one stream, then three of it as long."),
    ] = 10.0,
    size: Annotated[
        list[str] | None, typer.Option(help="WIDTHxHEIGHT of a camera's pictures; may be repeated.")
    ] = None,
    fps: Annotated[float, typer.Option(min=0.1, max=120, help="Pictures a second of clips that are made.")] = 10.0,
    clip: Annotated[list[Path] | None, typer.Option(help="A camera's recording to play; may be repeated.")] = None,
    beside: Annotated[bool, typer.Option("--beside", help="Measure although applications run there.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Measure what a release costs on a device: CPU time of each stage, latency, memory; `edgekit plan` reads it.

    The release's own pipeline plays clips of its golden frames, or recordings, in a process without a network: nothing
    is told to brokers. It refuses to run beside applications, which it would disturb.
    """
    from edgekit.host.workflow.profile import ProfileOptions, profile_release

    output = output_for(as_json)
    file = out or release.absolute().with_name(f"{release.absolute().name}.{_file_name(device)}.profile.json")
    options = ProfileOptions(
        out=file,
        seconds=seconds,
        sizes=tuple(map(parse_size, size or ())),
        fps=fps,
        clips=tuple(clip or ()),
        beside=beside,
    )
    made = profile_release(device, release, options, access_of(ctx), workstation_of(ctx, output))
    output.result({"file": str(file), "profile": made}, _text(made, file))


def parse_size(text: str) -> tuple[int, int]:
    """Width and height. Raises InputError."""
    from edgekit.errors import InputError
    from edgekit.schema.profile import MAX_SIDE_PX

    found = _SIZE.fullmatch(text)
    if found is None:
        raise InputError(f"--size {text} is no size of pictures", hint="write it as 1280x720")
    width_px, height_px = int(found[1]), int(found[2])
    if max(width_px, height_px) > MAX_SIDE_PX:
        raise InputError(f"--size {text} is too large", hint=f"neither side can be more than {MAX_SIDE_PX}")
    return width_px, height_px


def _file_name(device: str) -> str:
    return re.sub("[^A-Za-z0-9.-]", "_", device)


def _text(made: Profile, file: Path) -> RenderableType:
    from rich.console import Group

    from edgekit.schema.units import format_bytes

    mode = f", power mode {made.power_mode}" if made.power_mode else ""
    clocks = ", ".join(f"{one.clock} {one.hertz / 1e6:.0f} MHz" for one in made.clocks)
    memory = made.memory
    lines = [
        f"{made.application} {made.version} on {made.device}: {made.machine}{mode}",
        f"clocks: {clocks or 'this machine tells none'}",
        f"memory: libraries {format_bytes(memory.libraries_bytes)}, "
        f"with engines and golden frames {format_bytes(memory.ready_bytes)}",
        *(
            f"engine {name}: {format_bytes(one.accelerator_bytes)} on its accelerator, beside that"
            for name, one in made.engines.items()
            if one.accelerator_bytes
        ),
        *(f"note: {note}" for note in made.notes),
    ]
    parts: list[RenderableType] = ["\n".join(lines)]
    for one in made.sizes:
        parts += [*_size_text(one)]
    return Group(*parts, f"written: {file}")


def _size_text(size: SizeProfile) -> tuple[RenderableType, ...]:
    from edgekit.cli.output import table
    from edgekit.schema.units import format_bytes, format_rate

    rows = [
        (name, f"{cost.count}", *(f"{ms:.2f}" for ms in (cost.cpu_p50_ms, cost.cpu_p95_ms, cost.p50_ms, cost.p95_ms)))
        for name, cost in size.costs.items()
    ]
    latency = f"capture to sink p50 {size.p50_ms:.1f} ms, p99 {size.p99_ms:.1f} ms"
    head = f"\n{size.clip}: {format_rate(size.fps)} fps, {latency}, "
    return (
        head + f"{format_bytes(size.memory_bytes)} with this one stream",
        table(("step", "frames", "CPU p50 ms", "CPU p95 ms", "wall p50 ms", "wall p95 ms"), rows),
    )
