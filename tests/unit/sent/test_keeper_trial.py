"""The trial of a new keeper: every phase, every event, and the guard that acts on them, with the kernel's own files."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from edgekit.host.provision.desired import guard_text
from edgekit.sent.board_disk import BoardDisk
from edgekit.sent.keeper_guard import Switch, Systemd, TrialWatch
from edgekit.sent.keeper_socket import SeenKeeper
from edgekit.sent.keeper_trial import (
    SILENT_S,
    KeeperTrial,
    Watched,
    failing,
    from_text,
    judge_keeper,
    observe_keeper,
    on_start,
    to_text,
)

NEW, OLD = "edgekitd-new.pyz", "edgekitd-old.pyz"
TRIAL = KeeperTrial(
    phase="armed",
    new=NEW,
    old=OLD,
    new_sha256="ab",
    old_sha256="cd",
    boot="b1",
    applications=("sorter",),
    ready_s=60,
    settle_s=40,
    healthy_s=300,
)
ANSWERS = SeenKeeper(sha256="ab", pid=7, applications=frozenset({"sorter"}), healthy=frozenset({"sorter"}))
SICK = replace(ANSWERS, healthy=frozenset())
OLD_ANSWERS = replace(ANSWERS, sha256="cd", pid=3)


@pytest.mark.parametrize(
    ("phase", "boot", "after", "reason"),
    [
        ("armed", "b1", "started", ""),
        ("armed", "b2", "failing", "the device rebooted before it was started"),
        ("started", "b1", "failing", "it ended before it had run for long enough"),
        ("started", "b2", "failing", "the device rebooted before it had run for long enough"),
        ("failing", "b1", "failing", ""),
        ("passed", "b2", "passed", ""),
        ("failed", "b2", "failed", ""),
    ],
)
def test_a_new_keeper_is_started_once(phase: str, boot: str, after: str, reason: str) -> None:
    found = on_start(replace(TRIAL, phase=phase), boot)
    assert (found.phase, found.reason) == (after, reason)


def test_what_is_over_does_not_fail_any_more() -> None:
    assert failing(replace(TRIAL, phase="passed"), "late").phase == "passed"
    assert failing(replace(TRIAL, phase="failing", reason="first"), "second").reason == "first"


def judged(*looks: tuple[float, SeenKeeper | None]) -> tuple[str, str]:
    watched = Watched(began_s=0.0)
    now_s = 0.0
    for now_s, seen in looks:
        watched = observe_keeper(watched, TRIAL, seen, now_s)
    return judge_keeper(watched, TRIAL, now_s)


@pytest.mark.parametrize(
    ("looks", "verdict", "reason"),
    [
        ([(59.0, None)], "started", ""),
        ([(60.0, None)], "failing", "it did not answer within 60 s of its start"),
        ([(60.0, OLD_ANSWERS)], "failing", "it did not answer within 60 s of its start"),
        ([(50.0, ANSWERS), (89.0, ANSWERS)], "started", ""),
        ([(50.0, ANSWERS), (90.0, ANSWERS)], "passed", ""),
        ([(5.0, ANSWERS), (5.0 + SILENT_S - 1, None)], "started", ""),
        ([(5.0, ANSWERS), (5.0 + SILENT_S, None)], "failing", f"it answered, and then no more for {SILENT_S:g} s"),
        ([(5.0, ANSWERS), (8.0, replace(ANSWERS, pid=8))], "failing", "another process answers in its place"),
        ([(5.0, SICK), (299.0, SICK)], "started", ""),
        (
            [(5.0, SICK), (300.0, SICK)],
            "failing",
            "not all that were healthy before were so again within 300 s: sorter",
        ),
        ([(5.0, SICK), (100.0, ANSWERS)], "passed", ""),
        ([(5.0, ANSWERS), (100.0, SICK)], "started", ""),
    ],
)
def test_it_passes_when_it_has_answered_for_long_and_the_applications_are_healthy(
    looks: list[tuple[float, SeenKeeper | None]], verdict: str, reason: str
) -> None:
    found = judged(*looks)
    assert found[0] == verdict and reason in found[1], found


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b'{"phase": "armed"}',
        to_text(TRIAL)[:-20],
        to_text(replace(TRIAL, old="../../etc/passwd")),
        to_text(replace(TRIAL, ready_s=1e9)),
        to_text(TRIAL).replace(b"60", b'"x"'),
    ],
)
def test_a_file_that_is_none_is_no_trial(content: bytes) -> None:
    assert from_text(content) is None


def test_a_newer_file_is_read_and_its_own_words_left_out() -> None:
    assert from_text(to_text(TRIAL).replace(b'"phase"', b'"colour": 3, "phase"')) == TRIAL


@pytest.fixture
def switch(tmp_path: Path) -> Switch:
    """Two copies, the link at the new one, and a trial that is armed."""
    folder = tmp_path / "usr/lib/edgekit"
    folder.mkdir(parents=True)
    for name in (NEW, OLD):
        (folder / name).write_text(name)
    (folder / "edgekitd.pyz").symlink_to(NEW)
    (tmp_path / "unit").write_text("after")
    found = Switch(str(tmp_path), BoardDisk(), "b1")
    found.save(replace(TRIAL, unit=str(tmp_path / "unit"), unit_before="before"))
    return found


def phase(switch: Switch) -> str:
    trial = switch.load()
    assert trial is not None
    return trial.phase


def test_the_second_start_leads_to_the_old_copy(switch: Switch) -> None:
    switch.start()
    assert (phase(switch), switch.leads_to()) == ("started", NEW)
    switch.start()
    assert (phase(switch), switch.leads_to()) == ("failing", OLD)
    switch.start()
    assert (phase(switch), switch.leads_to()) == ("failing", OLD)


def test_a_start_that_cannot_be_noted_is_one_of_the_old_copy(switch: Switch) -> None:
    class NoWrites(BoardDisk):
        def write(self, path: str, content: bytes, mode: int) -> None:
            raise OSError(28, "No space left on device")

    switch.disk = NoWrites()
    switch.start()
    assert (phase(switch), switch.leads_to()) == ("armed", OLD)


class FakeService(Systemd):
    """What starts the keeper, and who answers then."""

    def __init__(self, switch: Switch) -> None:
        self.switch = switch
        self.now_s = 0.0
        self.answer: Callable[[], SeenKeeper | None] = lambda: None
        self.restarts: list[str] = []

    def restart(self, _switch: Switch, _trial: KeeperTrial) -> None:
        self.restarts.append(self.switch.leads_to())
        self.switch.start()

    def sleep(self, seconds: float) -> None:
        self.now_s += seconds

    def see(self, _path: str) -> SeenKeeper | None:
        return self.answer() if self.switch.leads_to() == NEW else OLD_ANSWERS

    def watch(self) -> None:
        TrialWatch(self.switch, self, see=self.see, clock=lambda: self.now_s, sleep=self.sleep).run()


def test_a_good_one_passes(switch: Switch) -> None:
    service = FakeService(switch)
    service.answer = lambda: ANSWERS
    switch.start()
    service.watch()
    assert (phase(switch), switch.leads_to(), service.restarts) == ("passed", NEW, [])
    assert 40 <= service.now_s < 45


def test_one_that_hangs_is_replaced_and_its_service_file_too(switch: Switch, tmp_path: Path) -> None:
    service = FakeService(switch)
    switch.start()
    service.watch()
    assert (phase(switch), switch.leads_to(), service.restarts) == ("failed", OLD, [OLD])
    assert (tmp_path / "unit").read_text() == "before"
    assert 60 <= service.now_s < 65


def test_one_that_ended_is_replaced_by_its_next_start_and_the_service_file_follows(
    switch: Switch, tmp_path: Path
) -> None:
    service = FakeService(switch)
    switch.start()
    switch.start()
    service.watch()
    assert (phase(switch), service.restarts, (tmp_path / "unit").read_text()) == ("failed", [OLD], "before")


def test_after_a_reboot_the_watch_alone_is_enough(switch: Switch, tmp_path: Path) -> None:
    """Where the new service file is so wrong that the guard is not run before the keeper."""
    switch.start()
    later = FakeService(Switch(str(tmp_path), BoardDisk(), "b2"))
    later.watch()
    assert (phase(switch), switch.leads_to(), (tmp_path / "unit").read_text()) == ("failed", OLD, "before")


def test_a_service_that_never_starts_it_is_taken_back(switch: Switch) -> None:
    service = FakeService(switch)
    service.watch()
    trial = switch.load()
    assert trial is not None and (trial.phase, trial.reason) == ("failed", "its service did not start it")


def test_an_old_one_that_does_not_answer_either_is_told_after_two_tries(switch: Switch) -> None:
    service = FakeService(switch)
    switch.start()
    service.see = lambda _path: None  # type: ignore[method-assign]
    service.watch()
    trial = switch.load()
    assert trial is not None and trial.phase == "failed" and "does not answer within 60 s either" in trial.reason
    assert service.restarts == [OLD, OLD]


def test_the_installed_program_stands_alone(tmp_path: Path, switch: Switch) -> None:
    program = tmp_path / "keeper-guard.py"
    program.write_bytes(guard_text())
    argv = [sys.executable, "-I", str(program)]
    done = subprocess.run([*argv, "start", str(tmp_path)], capture_output=True, text=True, check=False, cwd="/")
    assert (done.returncode, phase(switch), switch.leads_to()) == (0, "failing", OLD), "another boot than b1"
    assert "the new keeper edgekitd-new.pyz is taken back: the device rebooted" in done.stderr
    wrong = subprocess.run([*argv, "frob"], capture_output=True, text=True, check=False, cwd="/")
    assert wrong.returncode == 2 and "usage" in wrong.stderr
    Path(switch.file).unlink()
    none = subprocess.run([*argv, "watch", str(tmp_path)], capture_output=True, text=True, check=False, cwd="/")
    assert none.returncode == 0, none.stderr
