"""A virtual arm64 board as a builder device: its own ONNX Runtime optimises, and runs the golden frames."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.board.conftest import ROOT, Edgekit

pytestmark = [pytest.mark.board, pytest.mark.long]
RECIPE = str(ROOT / "recipes/sorting-line")


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    """A folder with a target whose engines are made on a board; its version is none that was built for before."""
    text = (ROOT / "targets/virt-arm64.toml").read_text().replace('name = "virt-arm64"', 'name = "tuned"')
    accelerator = f'\n[[accelerators]]\nkind = "onnxruntime"\nruntime_version = "1.22.{os.getpid()}"\n'
    (tmp_path / "targets").mkdir()
    (tmp_path / "targets/tuned.toml").write_text(text + accelerator)
    return tmp_path


def test_an_engine_is_made_and_tried_on_the_board(edgekit: Edgekit, desk: Path) -> None:
    edgekit.ok("board", "up", "--name", "bench", limit_s=1500)
    words = ("build", RECIPE, "--target", "tuned", "--builder", "bench", "--json")
    made = edgekit.ok(*words, "--out", "first", cwd=desk, limit_s=1200)
    (engine,) = made.json["engines"]
    assert "bench compiles parts" in made.err
    assert "4 golden frames as expected" in made.err
    assert engine["facts"]["agreement.heat"].startswith("cosine 1.000")
    assert edgekit.on_board("bench", "stat -c %a /var/lib/edgekit/builder") == "700"
    edgekit.ok("board", "down", "--name", "bench")
    again = edgekit.ok(*words, "--out", "second", cwd=desk)
    assert again.json["digest"] == made.json["digest"]
    assert again.json["from_cache"]
