"""The main job from end to end, as a user would do it: each step is a command, and a runner is handed in for those."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from edgekit.errors import InputError, RolloutError
from edgekit.host.board.image import check_rights, has_image
from edgekit.host.preflight import require
from edgekit.host.settings import Settings
from edgekit.host.workflow.devices import DeviceAccess, device_access
from edgekit.schema.report import Report

RECIPE = "sorting-line"
_PASS_S = 180.0
"""How long the clip may take to be played once to its end."""
_LOOK_EVERY_S = 2.0
_TARGETS = {"virt": "virt-arm64", "host": "host"}


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoResult:
    """What the demo showed."""

    device: str
    seconds: float
    score: dict[str, float]
    """The counts of the sorting line against the clip's ground truth."""
    release: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Demo:
    """One run of it."""

    device: str
    """`virt`: a virtual arm64 board; `host`: this machine itself."""
    settings: Settings
    run: Callable[[Sequence[str]], None]
    """Runs one command line of edgekit, without the program's name. Raises where it fails."""
    watch: Callable[[Report | None], None]
    """Called every few seconds with the worker's report while the clip is played; None: there is none yet."""
    access: Callable[[Settings], DeviceAccess] = field(default=device_access)
    """The way to the board, once it is up."""
    clock: Callable[[], float] = field(default=time.monotonic)
    sleep: Callable[[float], None] = field(default=time.sleep)

    def play(self) -> DemoResult:
        """Bring a board up, build the sorting line for it, provision, deploy, watch it and check its counts.

        Raises:
            InputError: there is no such device, or a program is missing here.
            RolloutError: the clip was not played to its end in time, or its parts were counted wrong.
            EdgekitError: a command failed.
        """
        self._look_ahead()
        began = self.clock()
        release = Path("out", f"{RECIPE}-{_TARGETS[self.device]}")
        for argv in demo_commands(self.device, release, recipe_folder(self.settings)):
            self.run(argv)
        score = self._wait_for_score()
        if score["wrong"]:
            raise RolloutError(f"{self.device}: {score_text(score)}", hint=f"edgekit logs {self.device}")
        seconds = round(self.clock() - began, 1)
        return DemoResult(device=self.device, seconds=seconds, score=score, release=release)

    def _look_ahead(self) -> None:
        """Say at once what is missing on this machine, before minutes of work."""
        if self.device not in _TARGETS:
            raise InputError(f"the demo knows no device {self.device!r}", hint="--device virt or --device host")
        require("build" if self.device == "host" else "board")
        if self.device != "host" and not has_image(self.settings):
            check_rights()

    def _wait_for_score(self) -> dict[str, float]:
        deadline = self.clock() + _PASS_S
        with self.access(self.settings).keeper(self.device) as keeper:
            while self.clock() < deadline:
                found = keeper.status().find(RECIPE)
                report = found.report if found else None
                if report and report.score:
                    return report.score
                self.watch(report)
                self.sleep(_LOOK_EVERY_S)
        message = f"{self.device}: the clip was not played to its end in {_PASS_S:g} s"
        raise RolloutError(message, hint=f"edgekit logs {self.device}")


def demo_commands(device: str, release: Path, recipe: Path) -> tuple[tuple[str, ...], ...]:
    """The command lines, in order."""
    seed = () if device == "host" else ("--seed", str(release))
    return (
        ("keys", "init"),
        ("build", str(recipe), "--target", _TARGETS[device], "--out", str(release)),
        ("board", "up", "--like", device, *seed),
        ("provision", device),
        ("deploy", str(release), device),
        ("status", device, "--watch", "6"),
    )


def recipe_folder(settings: Settings) -> Path:
    """The shipped recipe, by its short name where we stand in the checkout."""
    here = Path("recipes", RECIPE)
    return here if here.is_dir() else settings.data_dir / "recipes" / RECIPE


def score_text(score: dict[str, float]) -> str:
    """A score for people."""
    return f"{score['counted']:.0f} parts counted of {score['expected']:.0f}, {score['wrong']:.0f} wrong"
