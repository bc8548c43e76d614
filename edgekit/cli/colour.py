"""`edgekit colour`: what wrong colours cost on a recipe's own pictures."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Group
from rich.table import Table

from edgekit.cli.session import JsonFlag, output_for, workstation_of
from edgekit.cli.verbs import examples

if TYPE_CHECKING:
    from edgekit.host.workflow.colour import ColourReport


@examples("edgekit colour recipes/sorting-line", "edgekit colour recipes/sorting-line --most 8 --picture costs.jpg")
def colour(
    ctx: typer.Context,
    recipe: Annotated[Path, typer.Argument(help="The recipe's folder.")],
    most: Annotated[int, typer.Option(min=1, max=1000, help="How many of its pictures are taken at most.")] = 24,
    picture: Annotated[
        Path | None, typer.Option(help="File for the annotated picture; by default a PNG below out/.")
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Show what the wrong order, matrix or range of colours costs: changed scores and changed decisions."""
    from edgekit.host.workflow.colour import find_colour_costs

    output = output_for(as_json)
    report = find_colour_costs(recipe, most, picture, workstation_of(ctx, output))
    output.result(_facts(report), Group(_table(report), *_words(report)))


def _facts(report: ColourReport) -> dict[str, object]:
    costs = [
        {
            "mistake": one.mistake,
            "words": one.words,
            "kept": one.kept,
            "renamed": one.renamed,
            "lost": one.lost,
            "new": one.new,
            "wrong_percent": round(one.wrong_percent, 1),
            "score_mean": one.score_mean,
            "score_worst": one.score_worst,
        }
        for one in report.costs
    ]
    return {
        "recipe": report.recipe,
        "source": report.source,
        "pictures": report.pictures,
        "detections": report.detections,
        "stages": report.stages,
        "mistakes": costs,
        "picture": str(report.sheet),
        "shown": report.shown,
    }


def _table(report: ColourReport) -> Table:
    table = Table()
    for name in ("mistake", "kept", "renamed", "lost", "new", "wrong", "score", "worst"):
        table.add_column(name, justify="left" if name == "mistake" else "right")
    for one in report.costs:
        counts = (str(number) for number in (one.kept, one.renamed, one.lost, one.new))
        scores = f"{one.score_mean:+.3f}", f"{one.score_worst:+.3f}"
        table.add_row(one.words, *counts, f"{one.wrong_percent:.0f} %", *scores)
    return table


def _words(report: ColourReport) -> list[str]:
    return [
        f"{report.detections} detections in {report.pictures} pictures with the right colours: {report.source}",
        f"stages: {', '.join(report.stages)}",
        f"picture: {report.sheet} ({report.shown}; white: as before, yellow: another score, green: new, red: gone)",
    ]
