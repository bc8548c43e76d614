"""`edgekit init`: a recipe that works, to change piece by piece."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edgekit.cli.session import JsonFlag, output_for, settings_of
from edgekit.cli.verbs import examples


@examples("edgekit init my-line", "edgekit init my-line --in ~/recipes")
def init(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="The new recipe's name: lower-case letters, digits and dashes.")],
    folder: Annotated[Path, typer.Option("--in", help="Folder to make it in.")] = Path("recipes"),
    as_json: JsonFlag = False,
) -> None:
    """Write a recipe that works: a clip, a small model, golden frames and a pipeline."""
    from edgekit.host.catalogue.template import write_recipe

    out = output_for(as_json)
    path = write_recipe(settings_of(ctx).data_dir / "recipes" / "sorting-line", name, folder)
    out.result({"name": name, "path": str(path)}, f"{path}/recipe.toml\nnext: edgekit build {path} --target host")
