"""Every command that README shows is one: its words and options are read by the command line."""

from __future__ import annotations

import pytest
import typer.main

from edgekit.cli.main import app
from tests.fakes.readme import README, lines_of
from tests.unit.cli.test_verbs import read

LINES = lines_of("edgekit")


@pytest.mark.parametrize("line", LINES, ids=" ".join)
def test_a_command_of_readme_is_read_by_the_command_line(line: tuple[str, ...]) -> None:
    assert read([word for word in line[1:] if word != "..."]).command_path


def test_there_are_many() -> None:
    assert len(LINES) > 20


def test_every_command_stands_in_the_table() -> None:
    table = [line for line in README.read_text().splitlines() if line.startswith("| `edgekit ")]
    for name in getattr(typer.main.get_command(app), "commands", {}):
        assert any(f"edgekit {name}" in line or f"`{name}" in line for line in table), name


def test_readmes_pictures_are_there_and_small() -> None:
    shown = [part.partition(")")[0] for part in README.read_text().split("](")[1:]]
    pictures = [README.parent / path for path in shown if path.endswith((".jpg", ".png"))]
    assert pictures
    for picture in pictures:
        assert 0 < picture.stat().st_size < 200_000, picture
