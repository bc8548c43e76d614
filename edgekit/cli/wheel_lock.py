"""`edgekit wheel lock`: exact packages of a recipe for a target."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edgekit.cli.complete import TargetOption
from edgekit.cli.session import JsonFlag, output_for, settings_of
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
    from edgekit.cli.wheel_kit import Kit, lock_files
    from edgekit.host.cache import using
    from edgekit.host.catalogue.recipes import read_recipe
    from edgekit.host.catalogue.targets import find_target
    from edgekit.host.engine.compile import choose_backend
    from edgekit.host.wheel.resolve import resolve

    settings, output = settings_of(ctx), output_for(as_json)
    ctx.with_resource(using(settings.cache_dir))
    folder = read_recipe(recipe)
    found = find_target(target, settings)
    runners = {choose_backend(found)} if folder.recipe.models else set()
    kit = Kit(settings, found, output)
    wanted = kit.wanted(sorted(runners), folder.recipe.python, folder.folder)
    files = lock_files(settings, folder.folder, found, update=True)
    locked = resolve(wanted, files, kit.uv, kit.builder(wanted), output)
    for warning in locked.warnings:
        output.note(f"warning: {warning}")
    told = {"lock": str(files.recipe), "target": found.name, "wheels": locked.wheels}
    built = sum(wheel.source == "cross-built" for wheel in locked.wheels)
    output.result(told, f"{files.recipe}: {counted(len(locked.wheels), 'package')}, {built} of them built from source")
