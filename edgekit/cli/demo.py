"""`edgekit demo`: the main job from end to end, made of the commands that a user would type."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from edgekit.cli.session import JsonFlag, output_for, settings_of
from edgekit.cli.verbs import examples

if TYPE_CHECKING:
    from rich.console import RenderableType

    from edgekit.cli.output import Output
    from edgekit.host.settings import Settings
    from edgekit.host.workflow.gate_watch import GateWatchResult
    from edgekit.schema.report import Report

Recipe = Literal["sorting-line", "gate-watch"]


@examples("edgekit demo --device host", "edgekit demo", "edgekit demo --recipe gate-watch --device host")
def demo(
    ctx: typer.Context,
    device: Annotated[str, typer.Option(help="virt: a virtual arm64 board; host: this machine itself.")] = "virt",
    recipe: Annotated[
        Recipe, typer.Option(help="sorting-line: a clip; gate-watch: RTSP cameras and an MQTT broker, started here.")
    ] = "sorting-line",
    as_json: JsonFlag = False,
) -> None:
    """Bring a board up, build a shipped recipe for it, provision, deploy, watch it and check its counts."""
    if recipe == "gate-watch":
        _watch_gates(ctx, device, output_for(as_json))
        return
    from edgekit.cli.status import figures
    from edgekit.host.workflow.demo import Demo, score_text

    output = output_for(as_json)

    def run(argv: Sequence[str]) -> None:
        _run_command(ctx, argv, settings_of(ctx), output)

    def watch(report: Report | None) -> None:
        output.note(f"{device}: {figures(report) if report else 'starting'}")

    done = Demo(device=device, settings=settings_of(ctx), run=run, watch=watch).play()
    result = {"device": done.device, "seconds": done.seconds, "score": done.score}
    line = f"score against the clip's ground truth: {score_text(done.score)}"
    output.result(result, "\n".join([line, "", "next:", *_next(device, done.release)]))


def _watch_gates(ctx: typer.Context, device: str, output: Output) -> None:
    from edgekit.cli.session import local
    from edgekit.host.workflow.gate_watch import GateWatch

    def run(argv: Sequence[str], settings: Settings) -> None:
        _run_command(ctx, argv, settings, output)

    demo = GateWatch(device=device, settings=settings_of(ctx), executor=local(), run=run, note=output.note)
    done = demo.play()
    output.result(done, _gates_text(done))


def _gates_text(done: GateWatchResult) -> RenderableType:
    """Counts beside the truth, the camera that was cut, an event, and where the picture is."""
    from rich.console import Group

    from edgekit.cli.output import table

    names = sorted({name for true in done.truth.values() for name in true})
    titles = [name.partition(" ")[2] for name in names]  # without the line's own name: there is one
    rows = [
        (gate, *(f"{done.counts[gate].get(name, 0)} of {true.get(name, 0)}" for name in names))
        for gate, true in done.truth.items()
    ]
    event = " ".join(f"{key}={value}" for key, value in done.event.items() if key != "topic")
    return Group(
        "counted, as the broker was told, of what passed in truth:",
        table(("gate", *titles), rows),
        f"{done.wrong} wrong; {done.events} crossings came over MQTT, the last one:",
        f"  {done.event['topic']}: {event}",
        f"the camera of gate {done.cut} was cut off and came back by itself",
        f"picture: {done.picture}",
        "",
        "cameras and broker have ended with this command, and gate-watch is stopped. next:",
        f"  edgekit logs {done.device} gate-watch",
        f"  edgekit board down --name {done.device}",
    )


def _run_command(ctx: typer.Context, argv: Sequence[str], settings: Settings, output: Output) -> None:
    """Run one command as if typed; its answer goes where notes go."""
    output.note(f"$ edgekit {' '.join(argv)}")
    root = ctx.find_root()
    with contextlib.redirect_stdout(sys.stderr):
        code = root.command.main([*argv], prog_name=root.info_name, standalone_mode=False, obj=settings)
    if code:  # typer has turned Ctrl-C, or a verb's own exit, into this
        raise typer.Exit(code)


def _next(device: str, release: Path) -> list[str]:
    login = [] if device == "host" else [f"  edgekit board ssh --name {device}"]
    return [
        f"  edgekit status {device}",
        f"  edgekit logs {device} -f",
        f"  edgekit metrics {device}",
        f"  edgekit doctor {device} {release}",
        *login,
        "  edgekit init my-line && edgekit build recipes/my-line --target host",
        f"  edgekit board down --name {device}",
    ]
