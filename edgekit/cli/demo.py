"""`edgekit demo`: the main job from end to end, made of the commands that a user would type."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgekit.cli.session import JsonFlag, output_for, settings_of
from edgekit.cli.verbs import examples

if TYPE_CHECKING:
    from edgekit.cli.output import Output
    from edgekit.host.settings import Settings

_RECIPE = "sorting-line"
_PASS_S = 180.0


@examples("edgekit demo --device host", "edgekit demo")
def demo(
    ctx: typer.Context,
    device: Annotated[str, typer.Option(help="virt: a virtual arm64 board; host: this machine itself.")] = "virt",
    as_json: JsonFlag = False,
) -> None:
    """Bring a board up, build the sorting line for it, provision, deploy, watch it and check its counts."""
    from edgekit.errors import InputError, RolloutError

    if device not in ("virt", "host"):
        raise InputError(f"the demo knows no device {device!r}", hint="--device virt or --device host")
    settings, out = settings_of(ctx), output_for(as_json)
    _look_ahead(device, settings)
    began = time.monotonic()
    target = "host" if device == "host" else "virt-arm64"
    release = Path("out", f"{_RECIPE}-{target}")
    seed = [] if device == "host" else ["--seed", str(release)]
    for argv in (
        ["keys", "init"],
        ["build", str(recipe_folder(settings)), "--target", target, "--out", str(release)],
        ["board", "up", "--like", device, *seed],
        ["provision", device],
        ["deploy", str(release), device],
        ["status", device, "--watch", "6"],
    ):
        _run(argv, settings, out)
    score = _wait_for_pass(ctx, device, out)
    right = f"{score['counted']:.0f} parts counted of {score['expected']:.0f}, {score['wrong']:.0f} wrong"
    told = {"device": device, "seconds": round(time.monotonic() - began, 1), "score": score}
    if score["wrong"]:
        raise RolloutError(f"{device}: {right}", hint=f"edgekit logs {device}")
    out.result(
        told, "\n".join([f"score against the clip's ground truth: {right}", "", "next:", *_next(device, release)])
    )


def _look_ahead(device: str, settings: Settings) -> None:
    """Say at once what is missing on this machine, before minutes of work."""
    from edgekit.host.board.image import check_rights, find_image
    from edgekit.host.preflight import require

    if device == "host":
        require("build")
        return
    require("board")
    if find_image(settings) is None:
        check_rights()


def recipe_folder(settings: Settings) -> Path:
    """The shipped recipe, by its short name where we stand in the checkout."""
    here = Path("recipes", _RECIPE)
    return here if here.is_dir() else settings.data_dir / "recipes" / _RECIPE


def _run(argv: list[str], settings: Settings, out: Output) -> None:
    """Run one command as if typed; its answer goes where words go."""
    import contextlib
    import sys

    from edgekit.cli.main import app

    out.note(f"$ edgekit {' '.join(argv)}")
    with contextlib.redirect_stdout(sys.stderr):
        code = app(argv, standalone_mode=False, obj=settings)
    if code:  # typer has turned Ctrl-C, or a verb's own exit, into this
        raise typer.Exit(code)


def _wait_for_pass(ctx: typer.Context, device: str, out: Output) -> dict[str, float]:
    """Wait until the clip has been played once to its end.

    Raises:
        RolloutError: that takes too long.
    """
    from edgekit.cli.keeper_session import keeper_of
    from edgekit.cli.status import figures
    from edgekit.errors import RolloutError

    deadline = time.monotonic() + _PASS_S
    with keeper_of(ctx, device) as keeper:
        while time.monotonic() < deadline:
            found = keeper.status().find(_RECIPE)
            report = found.report if found else None
            if report and report.score:
                return report.score
            out.note(f"{device}: {figures(report) if report else 'starting'}")
            time.sleep(2)
    raise RolloutError(f"{device}: the clip was not played to its end in {_PASS_S:g} s", hint=f"edgekit logs {device}")


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
