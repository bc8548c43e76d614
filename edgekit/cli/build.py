"""`edgekit build`: a recipe and a target become a signed release."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from edgekit.cli.complete import TargetOption
from edgekit.cli.session import JsonFlag, output_for, workstation_of
from edgekit.cli.verbs import examples


@examples(
    "edgekit build recipes/sorting-line --target host",
    "edgekit build recipes/sorting-line --target rk3588-debian12 --out out/line",
    "edgekit build recipes/sorting-line -t jetson-orin-nano-jp62 --builder bench-orin",
)
def build(
    ctx: typer.Context,
    recipe: Annotated[Path, typer.Argument(help="The recipe's folder.")],
    target: TargetOption,
    out: Annotated[Path | None, typer.Option(help="Folder of the release; by default below out/.")] = None,
    key: Annotated[Path | None, typer.Option(help="Signing key, or the public half of one in your agent.")] = None,
    builder: Annotated[str, typer.Option(help="Device that compiles engines, where only such a board can.")] = "",
    update_lock: Annotated[bool, typer.Option("--update-lock", help="Resolve anew; write the recipe's lock.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Build a recipe for a target: Python packages, engines, plan, SBOM, signature. Twice gives the same digest."""
    from edgekit.host.workflow.build import build_release
    from edgekit.host.workflow.release_job import BuildOptions
    from edgekit.schema.reader import to_raw

    began = time.monotonic()
    output = output_for(as_json)
    options = BuildOptions(out=out, key=key, builder=builder, update_lock=update_lock)
    built = build_release(recipe, target, options, workstation_of(ctx, output))
    made = built.release
    words = f"{made.path}: {built.application} {built.version} for {made.target}, {made.digest[:12]}"
    output.result(to_raw(made) | {"seconds": round(time.monotonic() - began, 2)}, words)
