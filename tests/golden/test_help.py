"""Every `--help` is a golden file: what users see changes only on purpose. `make golden` rewrites them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import typer.main
from typer.testing import CliRunner

from edgekit.cli.main import app
from edgekit.host.settings import Settings

GOLDEN = Path(__file__).parent / "help"
WRITE = os.environ.get("EDGEKIT_GOLDEN") == "write"


def _verbs() -> list[tuple[str, ...]]:
    """All command paths: (), ("board",), ("board", "up"), ..."""
    found: list[tuple[str, ...]] = []

    def walk(command: object, path: tuple[str, ...]) -> None:
        found.append(path)
        for name, child in sorted(getattr(command, "commands", {}).items()):
            walk(child, (*path, name))

    walk(typer.main.get_command(app), ())
    return found


@pytest.mark.parametrize("path", _verbs(), ids=lambda path: " ".join(path) or "edgekit")
def test_help_is_as_agreed(path: tuple[str, ...], tmp_path: Path) -> None:
    settings = Settings(
        config_dir=tmp_path, cache_dir=tmp_path, state_dir=tmp_path, data_dir=tmp_path, fleet_file=tmp_path / "f"
    )
    result = CliRunner().invoke(app, [*path, "--help"], obj=settings, env={"COLUMNS": "100", "NO_COLOR": "1"})
    assert result.exit_code == 0
    file = GOLDEN / ("-".join(("edgekit", *path)) + ".txt")
    if WRITE:
        file.write_text(result.stdout)
    assert file.exists(), f"no golden file for {' '.join(path)}: make golden"
    assert result.stdout == file.read_text()


def test_no_golden_file_is_left_over() -> None:
    wanted = {"-".join(("edgekit", *path)) + ".txt" for path in _verbs()}
    for stale in {file.name for file in GOLDEN.glob("*.txt")} - wanted:
        if WRITE:
            (GOLDEN / stale).unlink()
        else:
            pytest.fail(f"{stale} belongs to no verb: make golden")
