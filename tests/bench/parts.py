"""Takes a benchmark's figures part by part: each part's are shown when it ends, and one that fails loses no other's."""

from __future__ import annotations

import dataclasses
import json
import sys
import traceback
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from rich.console import Console
from rich.table import Column, Table

from measure import Figure

Parts = Mapping[str, Callable[[], Iterable[Figure]]]


def take(parts: Parts, file: Path | None) -> None:
    """Take every part's figures, show them, and write all that there are so far.

    Args:
        parts: what gives a part's figures, by its name; an iterator's are kept up to where it fails.
        file: where they go as JSON; None for nowhere.

    Raises:
        SystemExit: a part failed.
    """
    figures: list[Figure] = []
    failed = []
    for name, part in parts.items():
        before = len(figures)
        try:
            for figure in part():  # one by one: what comes before a fault counts
                figures.append(figure)
        except Exception:
            traceback.print_exc()
            failed.append(name)
        if figures[before:]:
            show(figures[before:])
        if file:
            file.write_text(json.dumps([dataclasses.asdict(one) for one in figures], indent=2) + "\n")
    if failed:
        raise SystemExit(f"error: without all of its figures: {', '.join(failed)}")


def show(figures: list[Figure]) -> None:
    """Print the table."""
    table = Table(Column("name", no_wrap=True), "ratio", "bar", "against", "median", "spread", "unit", "n")
    for figure in figures:
        ratio = "" if figure.ratio is None else f"{figure.ratio:.2f}"
        bar = "" if figure.bar is None else f"{'>=' if figure.better == 'higher' else '<='} {figure.bar:g}"
        row = (figure.name, ratio, bar, figure.against, f"{figure.median:.3g}", f"{figure.spread:.2g}", figure.unit)
        table.add_row(*row, str(figure.n))
    console = Console(width=None if sys.stdout.isatty() else 150)
    console.print(table)
    console.print(figures[0].machine)
    sys.stdout.flush()
