"""`edgekit demo`: the main job from end to end, made of the commands that a user would type."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgekit.cli.session import JsonFlag, output_for, settings_of
from edgekit.cli.verbs import examples

if TYPE_CHECKING:
    from edgekit.schema.report import Report


@examples("edgekit demo --device host", "edgekit demo")
def demo(
    ctx: typer.Context,
    device: Annotated[str, typer.Option(help="virt: a virtual arm64 board; host: this machine itself.")] = "virt",
    as_json: JsonFlag = False,
) -> None:
    """Bring a board up, build the sorting line for it, provision, deploy, watch it and check its counts."""
    from edgekit.cli.status import figures
    from edgekit.host.workflow.demo import Demo, score_text

    output = output_for(as_json)

    def run(argv: Sequence[str]) -> None:
        output.note(f"$ edgekit {' '.join(argv)}")
        _run_command(ctx, argv)

    def watch(report: Report | None) -> None:
        output.note(f"{device}: {figures(report) if report else 'starting'}")

    done = Demo(device=device, settings=settings_of(ctx), run=run, watch=watch).play()
    result = {"device": done.device, "seconds": done.seconds, "score": done.score}
    line = f"score against the clip's ground truth: {score_text(done.score)}"
    output.result(result, "\n".join([line, "", "next:", *_next(device, done.release)]))


def _run_command(ctx: typer.Context, argv: Sequence[str]) -> None:
    """Run one command as if typed; its answer goes where notes go."""
    root = ctx.find_root()
    with contextlib.redirect_stdout(sys.stderr):
        code = root.command.main([*argv], prog_name=root.info_name, standalone_mode=False, obj=root.obj)
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
