"""`edgekit wheel lock`: exact packages of a recipe for a target."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edgekit.cli.complete import TargetOption
from edgekit.cli.session import JsonFlag, output_for, workstation_of
from edgekit.cli.verbs import examples
from edgekit.schema.units import counted


@examples("edgekit wheel lock recipes/sorting-line --target rk3588-debian12")
def lock(
    ctx: typer.Context,
    recipe: Annotated[Path, typer.Argument(help="The recipe's folder.")],
    target: TargetOption,
    as_json: JsonFlag = False,
) -> None:
    """Resolve a recipe's Python packages anew and write its lock for a target, with what source packages take."""
    from edgekit.host.workflow.wheel_jobs import lock_recipe

    output = output_for(as_json)
    written = lock_recipe(recipe, target, workstation_of(ctx, output))
    built = sum(wheel.source == "cross-built" for wheel in written.wheels)
    result = {"lock": str(written.lock), "target": target, "wheels": written.wheels}
    output.result(
        result, f"{written.lock}: {counted(len(written.wheels), 'package')}, {built} of them built from source"
    )
