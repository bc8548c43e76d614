"""Releases that a build would not have let through, tried by a real worker on a real kernel: all are refused.

Each is the shipped recipe with one thing wrong. The good one runs again by itself, and the board says why.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from tests.board.conftest import Edgekit, eventually
from tests.fakes.bad_releases import (
    REFUSED,
    Slowness,
    altered,
    deploy_slower,
    needing,
    swapped_channels,
    wrong_scale,
    wrong_weights,
)

pytestmark = [pytest.mark.board, pytest.mark.long, pytest.mark.timeout(3000)]

BOARD = "releases"
MEMORY_RATIO = 4 / 3
SLOWNESS = Slowness(times=2, gate_ratio=0.75, passes=10, start_s=240)
DEPLOY_S = 1200


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
        before = self.status()["current"]
        code, said = self.deploy(release)
        assert code == REFUSED, said
        return self.reason(before["version"])

    def reason(self, version: str) -> str:
        """Why the last release was refused; the one of this version runs again."""
        eventually(lambda: bool(self.status()["healthy"]), limit_s=300)
        status = self.status()
        assert status["current"]["version"] == version
        return str(status["last_failure"]["reason"])

    def deploy(self, release: Path) -> tuple[int, str]:
        """The exit code, and what was said."""
        done = self.edgekit.answered("deploy", str(release), BOARD, limit_s=DEPLOY_S)
        return done.code, done.err

    def go_back(self) -> None:
        """To the release before."""
        self.edgekit.ok("rollback", BOARD)

    def status(self) -> dict[str, Any]:
        """The application's."""
        return self.edgekit.status(BOARD)


def patient(plan: dict[str, Any]) -> None:
    """An emulated board has what rate its host leaves it: healthy is what gives a picture now and then."""
    plan["health"].update(min_fps=0.05, start_s=600.0, stall_s=120.0)


@pytest.fixture(scope="module")
def trial(edgekit: Edgekit) -> Iterator[Trial]:
    built = edgekit.home / "built"
    edgekit.ok("build", "recipes/sorting-line", "--target", "virt-arm64", "--out", str(built))
    edgekit.ok("board", "up", "--name", BOARD, "--seed", str(built), limit_s=1500)
    trial = Trial(edgekit, built)
    trial = replace(trial, built=trial.make("1.0.0", plan=patient))
    edgekit.ok("provision", BOARD)
    code, said = trial.deploy(trial.built)
    assert code == 0, said
    yield trial
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


def test_a_model_twice_as_slow_is_refused_by_a_gate_that_the_good_one_is_above(trial: Trial) -> None:
    code, said = deploy_slower(trial, SLOWNESS)
    assert code == REFUSED, said
    reason = trial.reason("3.0.0")
    print(f"a model twice as slow: {reason}")
    assert "< min_fps" in reason
