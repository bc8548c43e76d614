"""`edgekit schema`: JSON Schemas for editors."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edgekit.cli.session import JsonFlag, output_for
from edgekit.cli.verbs import examples


@examples("edgekit schema", "edgekit schema --out .vscode/schema")
def schema(
    out: Annotated[Path, typer.Option(help="Folder to write to.")] = Path("schema"), as_json: JsonFlag = False
) -> None:
    """Write JSON Schemas of recipe.toml, fleet.toml and targets, for editors, and of what sinks write."""
    from edgekit.schema.json_schema import schema_files

    out.mkdir(parents=True, exist_ok=True)
    files = {str(out / name): text for name, text in schema_files().items()}
    for file, text in files.items():
        Path(file).write_bytes(text)
    lines = [*files, f"In the first line of a recipe.toml editors want: #:schema {out / 'recipe.schema.json'}"]
    output_for(as_json).result({"files": list(files)}, "\n".join(lines))
