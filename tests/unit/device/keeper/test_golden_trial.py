"""Golden frames beside the release that runs: one that fails them stops nothing, and nothing of it is left."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from edgekit.device.keeper.control.ticket import Ticket
from edgekit.errors import LockHeld, RolloutError, Unreachable
from edgekit.schema.recipe import Golden
from edgekit.schema.report import Report
from tests.fakes.child import FakeChild
from tests.fakes.keeper import GOLDEN_PASSED, HEALTHY, Bench, outcome
from tests.fakes.releases import FakeRelease, make_plan, make_release

MIB = 1 << 20
GOLDEN = Golden(frames=("frame.png",), expected="frames.json")


def release(version: str) -> FakeRelease:
    return make_release(plan=replace(make_plan(version=version), golden=GOLDEN), extra={"own": version.encode()})


OLD, NEW = release("1.0.0"), release("2.0.0")
WRONG = Report(phase="failed", golden="failed: frame.png: 9 px", cause="golden", hint="compare model and contract")


def golden_only(child: FakeChild) -> bool:
    return "--golden" in child.argv


class Beside:
    """A keeper whose current release is OLD, with NEW installed and room for both."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.bench = Bench(root)
        self.bench.commit(OLD)
        self.bench.install(NEW)
        self.bench.available_bytes = 1 << 30
        self.old = self.bench.child()
        self.state = self.bench.layout.state_file("sorter").read_bytes()
        self.bench.starter.on_start = lambda child: setattr(child, "pulse", None if golden_only(child) else HEALTHY)

    def activate(self) -> Ticket:
        ticket = self.bench.keeper.activate(self.bench.releases.trusted(NEW.digest))
        self.bench.turn()
        return ticket

    @property
    def golden(self) -> FakeChild:
        """What runs golden frames."""
        return [child for child in self.bench.starter.children if golden_only(child)][-1]

    def check_untouched(self) -> None:
        """Whatever happened, the old one has not noticed, and there is nothing of it on disk."""
        assert not self.old.ended() and self.old.signals == []
        assert self.bench.child() is self.old
        assert self.bench.layout.state_file("sorter").read_bytes() == self.state
        assert (self.bench.state_phase, self.bench.current) == ("running", OLD.digest)
        self.check_nothing_left()

    def check_nothing_left(self) -> None:
        assert self.golden.ended()
        assert not self.bench.layout.golden_work("sorter").exists()
        assert not (self.bench.layout.workers_dir / "sorter.golden.json").exists()


@pytest.fixture
def beside(tmp_path: Path) -> Beside:
    return Beside(tmp_path)


def test_one_that_passes_is_activated_afterwards(beside: Beside) -> None:
    ticket = beside.activate()
    assert not beside.old.ended(), "it goes on meanwhile"
    seen = beside.bench.status()
    assert (seen.phase, seen.candidate and seen.candidate.version, seen.healthy) == ("activating", "2.0.0", True)
    beside.golden.report(GOLDEN_PASSED)
    beside.bench.turn(times=10)
    assert "sorter 2.0.0" in str(outcome(ticket))
    assert beside.bench.current == NEW.digest
    beside.check_nothing_left()


def test_one_that_fails_is_refused_and_the_old_one_never_stops(beside: Beside) -> None:
    ticket = beside.activate()
    beside.golden.say("frame.png is off\n")
    beside.golden.report(WRONG)
    beside.bench.turn(times=3)
    error = outcome(ticket)
    assert isinstance(error, RolloutError)
    old = f"sorter 1.0.0 ({OLD.digest[:12]})"
    assert error.message == f"sorter 2.0.0 was refused: golden frames failed: frame.png: 9 px; {old} ran on"
    assert (error.hint, "golden: frame.png is off" in error.details) == ("compare model and contract", True)
    beside.check_untouched()
    failure = beside.bench.status().last_failure
    assert failure is not None and failure.digest == NEW.digest
    (incident,) = beside.bench.recorder.told("sorter")
    assert (incident.kind, incident.cause, incident.version) == ("refused", "golden", "2.0.0")


def test_what_fails_wherever_it_runs_is_refused_by_its_own_cause(beside: Beside) -> None:
    ticket = beside.activate()
    beside.golden.report(Report(phase="failed", message="libnvinfer.so is not here", cause="missing_library"))
    beside.golden.end(3)
    beside.bench.turn(times=3)
    assert "libnvinfer.so is not here" in str(outcome(ticket))
    beside.check_untouched()
    assert beside.bench.recorder.told("sorter")[0].cause == "missing_library"


@pytest.mark.parametrize(
    ("end", "words"),
    [
        (lambda child: child.end(-9), "killed by SIGKILL"),
        (lambda child: child.end(2), "exited with code 2"),
        (lambda child: child.report(Report(phase="golden")), "they were not through within start_s 5"),
    ],
)
def test_what_may_come_of_running_beside_decides_nothing(beside: Beside, end: object, words: str) -> None:
    ticket = beside.activate()
    end(beside.golden)  # type: ignore[operator]
    told = []
    for _ in range(70):
        beside.bench.turn()
        while not ticket._queue.empty():
            told.append(ticket._queue.get_nowait())
    assert beside.bench.current == NEW.digest
    assert any(words in getattr(event, "message", "") for event in told), told
    beside.check_nothing_left()


def test_without_room_for_both_they_run_after_the_switch_and_it_is_said(beside: Beside) -> None:
    beside.bench.available_bytes = 32 * MIB
    ticket = beside.activate()
    events = [ticket._queue.get_nowait().message for _ in range(ticket._queue.qsize())]
    assert any(
        "golden frames run after the switch" in text and "64.0 MiB of memory, and 32.0 MiB are free" in text
        for text in events
    ), events
    beside.bench.turn(times=8)
    assert not any(map(golden_only, beside.bench.starter.children))
    assert beside.bench.current == NEW.digest


def test_nothing_runs_beside_one_that_is_not_healthy(beside: Beside) -> None:
    beside.old.pulse = replace(HEALTHY, fps=0.0)
    beside.bench.turn()
    beside.activate()
    beside.bench.turn(times=8)
    assert not any(map(golden_only, beside.bench.starter.children))
    assert beside.bench.current == NEW.digest


def test_it_gets_no_camera_sink_or_network_and_is_the_first_to_go(beside: Beside) -> None:
    beside.activate()
    entry = json.loads(beside.golden.argv[5])
    assert (entry["network"], entry["oom_score"], entry["realtime_us"]) == (False, 1000, 0)
    assert beside.golden.argv[-1] == str(beside.bench.layout.golden_work("sorter"))
    assert json.loads(beside.old.argv[5])["oom_score"] == 500


def test_another_activation_is_told_that_one_is_going_on(beside: Beside) -> None:
    beside.activate()
    error = outcome(beside.activate())
    assert isinstance(error, LockHeld) and "an activation of sorter is going on" in error.message


def test_a_release_that_was_left_meanwhile_holds_the_activation_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = Bench(tmp_path)
    first.commit(release("0.9.0"))
    beside = Beside(tmp_path)
    ticket = beside.activate()
    file = beside.bench.layout.release(OLD.digest) / "own"
    file.chmod(0o644)
    file.write_bytes(b"1.0.1")
    doubts, begun = beside.bench.releases.doubts, threading.Event()
    damage = doubts.damage
    monkeypatch.setattr(doubts, "damage", lambda digest: damage(digest) if begun.wait(60) else ())
    beside.bench.keeper.examine()
    beside.bench.turn()
    look = beside.bench.application()._driver._damage._examination
    assert look is not None
    begun.set()
    look._thread.join(60)
    beside.bench.turn(times=2)
    assert beside.bench.state_phase == "activating"
    beside.golden.report(GOLDEN_PASSED)
    beside.bench.turn(times=2)
    error = outcome(ticket)
    assert isinstance(error, LockHeld) and "an activation of sorter is going on" in error.message


@pytest.mark.parametrize(("ask", "says"), [("stop", "it was told to stop"), ("remove", "it is being removed")])
def test_stopping_calls_it_off(beside: Beside, ask: str, says: str) -> None:
    ticket = beside.activate()
    asked = getattr(beside.bench.keeper, ask)("sorter")
    beside.bench.turn(times=3)
    assert says in str(outcome(ticket))
    assert "sorter is" in str(outcome(asked))
    assert beside.old.ended()
    beside.check_nothing_left()


def test_the_keepers_end_calls_it_off(beside: Beside) -> None:
    ticket = beside.activate()
    beside.bench.keeper.close()
    beside.bench.keeper.run()
    assert isinstance(outcome(ticket), Unreachable)
    assert beside.golden.ended() and beside.old.ended()


def test_a_keeper_that_is_killed_meanwhile_leaves_the_old_one_current(beside: Beside) -> None:
    beside.activate()
    assert beside.bench.layout.golden_work("sorter").is_dir()
    again = Bench(beside.root)
    assert (again.state_phase, again.current) == ("running", OLD.digest)
    assert again.view().state.failure is None
    assert not again.layout.golden_work("sorter").exists()


def test_the_release_that_is_tried_is_not_cleared_out(beside: Beside) -> None:
    beside.activate()
    assert NEW.digest in beside.bench.keeper.references().digests
