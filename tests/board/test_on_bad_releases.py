"""Releases that a build would not have let through, tried by a real worker on a real kernel: all are refused.

Each is the shipped recipe with one thing wrong. The good one runs again by itself, and the board says why.
A model twice as slow: tests/integration/test_bad_releases.py, as an emulated board has the rate of its host.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.board.conftest import Edgekit, eventually
from tests.fakes.bad_releases import altered, needing, swapped_channels, wrong_scale, wrong_weights

pytestmark = [pytest.mark.board, pytest.mark.long, pytest.mark.timeout(3000)]

BOARD = "releases"
MEMORY_RATIO = 4 / 3
DEPLOY_S, REFUSED, UNREACHABLE, TRIES = 1200, 8, 7, 5


@dataclass(frozen=True)
class Trial:
    """A board with the shipped recipe's release."""

    edgekit: Edgekit
    built: Path

    def make(self, version: str, **changes: Any) -> Path:
        """The same release with a fault."""
        key = self.edgekit.home / "c/edgekit/release-key"
        folder = Path(tempfile.mkdtemp(dir=self.edgekit.home)) / "release"
        return altered(self.built, folder, version=version, key=key, **changes)

    def refused(self, release: Path) -> str:
        """Deploy a release that has to be refused; the reason. The good one runs again."""
        before = self.edgekit.status(BOARD)["current"]
        for _ in range(TRIES):  # an emulated board on a busy machine may not answer in time
            done = self.edgekit.run("deploy", str(release), BOARD, limit_s=DEPLOY_S)
            if done.code != UNREACHABLE:
                break
        assert done.code == REFUSED, done.err
        eventually(lambda: bool(self.edgekit.status(BOARD)["healthy"]), limit_s=300)
        status = self.edgekit.status(BOARD)
        assert status["current"] == before
        return str(status["last_failure"]["reason"])


@pytest.fixture(scope="module")
def trial(edgekit: Edgekit) -> Iterator[Trial]:
    built = edgekit.home / "built"
    edgekit.ok("build", "recipes/sorting-line", "--target", "virt-arm64", "--out", str(built))
    edgekit.ok("board", "up", "--name", BOARD, "--seed", str(built), limit_s=1500)
    edgekit.ok("provision", BOARD)
    edgekit.ok("deploy", str(built), BOARD, limit_s=DEPLOY_S)
    yield Trial(edgekit, built)
    edgekit.ok("board", "down", "--name", BOARD)


@pytest.mark.parametrize(
    ("fault", "changes"),
    [
        ("wrong weights", {"model": wrong_weights}),
        ("swapped channels", {"plan": swapped_channels}),
        ("wrong scale", {"plan": wrong_scale}),
    ],
)
def test_wrong_answers_are_refused(trial: Trial, fault: str, changes: dict[str, Any]) -> None:
    reason = trial.refused(trial.make("2.0.0", **changes))
    print(f"{fault}: {reason}")
    assert "golden frames failed" in reason


def test_a_third_more_memory_than_there_is_is_refused(trial: Trial) -> None:
    needed = int(MEMORY_RATIO * trial.edgekit.status(BOARD)["worker"]["memory_max"])
    reason = trial.refused(trial.make("2.0.0", model=needing(needed)))
    print(f"one and a third of the memory: {reason}")
    assert "out of memory" in reason
