"""The demo: which commands it runs, in which order, and what its outcome is."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import pytest

from edgekit.errors import EdgekitError, InputError, RolloutError
from edgekit.host.workflow.demo import Demo, demo_commands
from edgekit.schema.report import Report
from tests.fakes.devices import access_to
from tests.fakes.keeper_link import APPLICATION, FakeLink
from tests.fakes.workstations import workstation_in

SCORE = {"expected": 27.0, "counted": 27.0, "wrong": 0.0, "passes": 1.0}


class Stage:
    """A demo whose commands do nothing, with a keeper whose worker reports this."""

    def __init__(self, home: Path, *reports: Report | None) -> None:
        self.commands: list[tuple[str, ...]] = []
        self.watched: list[Report | None] = []
        self.now = 0.0
        self._left = list(reports)
        self.link = FakeLink()
        self._show_next()
        self.demo = Demo(
            device="host",
            settings=workstation_in(home).settings,
            run=self.run,
            watch=self.watched.append,
            access=lambda _: access_to({"host": self.link}),
            clock=lambda: self.now,
            sleep=self.sleep,
        )

    def run(self, argv: Sequence[str]) -> None:
        self.commands.append(tuple(argv))
        self.now += 10

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self._show_next()

    def _show_next(self) -> None:
        if self._left:
            report = self._left.pop(0)
            self.link.application = dataclasses.replace(APPLICATION, application="sorting-line", report=report)


def test_it_runs_what_a_user_would_type_and_waits_for_the_score(tmp_path: Path) -> None:
    working = Report(phase="running", fps=10.0)
    stage = Stage(tmp_path, None, working, dataclasses.replace(working, score=SCORE))
    done = stage.demo.play()
    assert [words[0] for words in stage.commands] == ["keys", "build", "board", "provision", "deploy", "status"]
    assert stage.watched == [None, working]
    assert (done.device, done.score, done.seconds) == ("host", SCORE, 64.0)
    assert done.release == Path("out/sorting-line-host")


def test_a_command_that_fails_ends_it(tmp_path: Path) -> None:
    stage = Stage(tmp_path)

    def run(argv: Sequence[str]) -> None:
        stage.run(argv)
        if argv[0] == "provision":
            raise EdgekitError("no", hint="x")

    with pytest.raises(EdgekitError, match="no"):
        dataclasses.replace(stage.demo, run=run).play()
    assert stage.commands[-1][0] == "provision" and stage.link.connections == 0


def test_a_clip_that_is_not_played_to_its_end_and_one_that_is_counted_wrong(tmp_path: Path) -> None:
    stuck = Stage(tmp_path, Report(phase="running"))
    with pytest.raises(RolloutError, match="not played to its end in 180 s"):
        stuck.demo.play()
    assert 60 + 180 <= stuck.now < 60 + 190
    wrong = Stage(tmp_path, Report(phase="running", score=SCORE | {"counted": 26.0, "wrong": 1.0}))
    with pytest.raises(RolloutError, match="host: 26 parts counted of 27, 1 wrong"):
        wrong.demo.play()


def test_another_device_is_refused_before_anything_runs(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    with pytest.raises(InputError, match="knows no device 'gate'"):
        dataclasses.replace(stage.demo, device="gate").play()
    assert stage.commands == []


def test_a_virtual_board_has_the_releases_packages_from_the_start() -> None:
    commands = demo_commands("virt", Path("out/r"), Path("recipes/sorting-line"))
    assert ("build", "recipes/sorting-line", "--target", "virt-arm64", "--out", "out/r") in commands
    assert ("board", "up", "--like", "virt", "--seed", "out/r") in commands
