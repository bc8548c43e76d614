"""The loop: a good release is committed, a bad one goes back by itself, and a power cut leaves one or the other."""

from __future__ import annotations

import errno
from dataclasses import replace
from pathlib import Path

import pytest

from edgekit.errors import EdgekitError, LockHeld, RolloutError, Unreachable
from tests.fakes.child import FakeChild
from tests.fakes.keeper import HEALTHY, Bench, outcome, pulse
from tests.fakes.recording import QuickFilesystem
from tests.fakes.releases import make_plan, make_release

OLD = make_release(plan=make_plan(version="1.0.0"))
NEW = make_release(plan=make_plan(version="2.0.0"), extra={"engines/net.onnx": b"weights"})


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """A keeper whose current release is OLD, and NEW installed."""
    bench = Bench(tmp_path)
    bench.commit(OLD)
    bench.install(NEW)
    assert bench.current == OLD.digest
    return bench


def activate(bench: Bench, behave: object, times: int = 8) -> str | EdgekitError:
    """Activate NEW, whose worker behaves so; OLD's is healthy. The outcome."""

    def on_start(child: FakeChild) -> None:
        if NEW.digest in " ".join(child.argv):
            behave(child)  # type: ignore[operator]
        else:
            child.pulse = HEALTHY

    bench.starter.on_start = on_start
    ticket = bench.keeper.activate(bench.releases.trusted(NEW.digest))
    bench.turn(0.1, times=times)
    return outcome(ticket)


def test_a_healthy_release_is_committed(bench: Bench) -> None:
    assert "is committed" in str(activate(bench, pulse))
    state = bench.view().state
    assert (state.phase, bench.current) == ("running", NEW.digest)
    assert state.previous is not None
    assert state.previous.digest == OLD.digest
    assert bench.status().healthy


@pytest.mark.parametrize(
    ("behave", "reason"),
    [
        (lambda child: child.end(3), "exited with code 3"),
        (lambda child: child.end(-11), "killed by SIGSEGV"),
        (lambda child: None, "not healthy within 5 s: no report since the start"),
        (lambda child: child.report(replace(HEALTHY, golden="failed: 9 px")), "golden frames failed: 9 px"),
        (lambda child: child.report(replace(HEALTHY, fps=0.0)), "no report for 1 s"),
    ],
)
def test_a_bad_release_goes_back_by_itself(bench: Bench, behave: object, reason: str) -> None:
    error = activate(bench, behave, times=70)
    assert isinstance(error, RolloutError)
    assert f"sorter 2.0.0 was rolled back: {reason}" in error.message
    assert f"back to sorter 1.0.0 ({OLD.digest[:12]}), which runs again" in error.message
    state = bench.view().state
    assert (state.phase, bench.current) == ("running", OLD.digest)
    assert state.failure is not None
    assert state.failure.digest == NEW.digest
    assert state.failure.reason.startswith(reason)
    assert OLD.digest in " ".join(bench.starter.last.argv)


def test_never_healthy_is_told_with_its_figures(bench: Bench) -> None:
    bench.starter.on_start = lambda child: pulse(child) if OLD.digest in " ".join(child.argv) else None
    ticket = bench.keeper.activate(bench.releases.trusted(NEW.digest))
    for _ in range(60):
        bench.turn(0.1)
        child = bench.starter.last
        if NEW.digest in str(child.argv) and not child.ended():
            child.say("still dark\n")
            child.report(replace(HEALTHY, fps=0.0))
    error = outcome(ticket)
    assert isinstance(error, RolloutError)
    assert "not healthy within 5 s: fps 0.0 < min_fps 2.0" in error.message
    assert "still dark" in error.details
    failure = bench.view().state.failure
    assert failure is not None
    assert failure.probes == ("fps 0.0 < min_fps 2.0",)


def test_a_bad_first_release_is_stopped(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.install(NEW)
    error = activate(bench, lambda child: child.end(1))
    assert isinstance(error, RolloutError)
    assert "nothing runs now" in error.message
    assert (bench.state_phase, bench.current) == ("stopped", "")
    assert bench.application().supervisor.stopped


def test_an_old_release_that_fails_too_is_told_and_looked_after(bench: Bench) -> None:
    bench.starter.on_start = lambda child: child.end(1)
    ticket = bench.keeper.activate(bench.releases.trusted(NEW.digest))
    bench.turn(0.1, times=70)
    error = outcome(ticket)
    assert isinstance(error, RolloutError)
    assert "which does not come up again: exited with code 1" in error.message
    assert (bench.state_phase, bench.current) == ("running", OLD.digest)
    assert bench.application().supervisor.release is not None


def test_a_release_that_reports_and_lets_no_frame_through_goes_back(bench: Bench) -> None:
    """Healthy in all but its frames: it settles for 0.3 s, and hangs after 1 s without a frame."""

    def hang(child: FakeChild) -> None:
        child.pulse = replace(HEALTHY, frames=0, idle_s=0.2)

    error = activate(bench, hang, times=60)
    assert isinstance(error, RolloutError)
    assert "no frame" in error.message
    assert bench.current == OLD.digest

    def stall(child: FakeChild) -> None:
        child.pulse = replace(HEALTHY, idle_s=1.1)

    error = activate(bench, stall)
    assert isinstance(error, RolloutError)
    assert "sorter 2.0.0 was rolled back: no frame for 1 s" in error.message


def test_a_committed_release_whose_lane_hangs_is_started_again_with_the_reason(bench: Bench) -> None:
    hanging = bench.starter.last
    hanging.pulse = replace(HEALTHY, idle_s=1.1)
    bench.turn(times=2)
    assert hanging.ended()
    failure = bench.view().state.failure
    assert failure is not None
    assert (failure.reason, failure.digest) == ("no frame for 1 s", OLD.digest)
    bench.turn(1.0)
    bench.turn()
    assert bench.status().healthy
    assert bench.status().worker.restarts == 1


def test_one_activation_at_a_time(bench: Bench) -> None:
    trusted = bench.releases.trusted(NEW.digest)
    bench.keeper.activate(trusted)
    second, stop = bench.keeper.activate(trusted), bench.keeper.stop("sorter")
    bench.turn()
    assert isinstance(outcome(second), LockHeld)
    assert isinstance(outcome(stop), LockHeld)


def test_the_current_release_is_activated_at_once(bench: Bench) -> None:
    children = len(bench.starter.children)
    ticket = bench.keeper.activate(bench.releases.trusted(OLD.digest))
    bench.turn()
    assert "is the current release" in str(outcome(ticket))
    assert len(bench.starter.children) == children


def test_stopped_until_activated_again(bench: Bench) -> None:
    ticket = bench.keeper.stop("sorter")
    bench.turn(times=2)
    assert outcome(ticket) == "sorter is stopped"
    assert (bench.state_phase, bench.application().supervisor.stopped) == ("stopped", True)
    bench.keeper.activate(bench.releases.trusted(OLD.digest))
    bench.turn(times=2)
    assert (bench.state_phase, bench.status().worker.state) == ("running", "running")


def test_limits_that_cannot_be_held_are_refused_before_anything_stops(bench: Bench) -> None:
    plan = make_plan(version="3.0.0")
    strict = make_release(plan=replace(plan, limits=replace(plan.limits, advisory=False)))
    bench.install(strict)
    ticket = bench.keeper.activate(bench.releases.trusted(strict.digest))
    bench.turn()
    assert isinstance(outcome(ticket), RolloutError)
    assert not bench.starter.last.ended()


def test_a_worker_that_dies_later_is_started_again_and_told(bench: Bench) -> None:
    bench.starter.last.say("the lens fell off\n")
    bench.starter.last.end(1)
    bench.turn()
    view = bench.view()
    assert view.unhealthy_because == ("no worker runs: exited with code 1",)
    assert view.state.failure is not None
    assert "the lens fell off" in view.state.failure.log_tail
    bench.turn(1.0)
    bench.turn()
    status = bench.status()
    assert (status.worker.restarts, status.healthy, status.phase) == (1, True, "running")


def hold(child: FakeChild) -> None:
    """Whatever is sent to it, it does not end: a driver holds it."""
    child.obedient = False
    child.kill = lambda: None  # type: ignore[method-assign]


@pytest.mark.parametrize("verb", ["stop", "remove"])
def test_who_stops_a_worker_that_a_driver_holds_is_told_so_and_later_requests_are_taken(
    bench: Bench, verb: str
) -> None:
    worker = bench.starter.last
    hold(worker)
    ticket = bench.keeper.stop("sorter") if verb == "stop" else bench.keeper.remove("sorter")
    bench.turn(1.0, times=39)
    assert ticket._queue.empty()
    bench.turn(1.0, times=4)
    error = outcome(ticket)
    assert isinstance(error, RolloutError)
    assert "sorter does not stop: process 4000000 does not end 30 s after SIGKILL: a driver hangs" in error.message
    assert "reboot" in error.hint
    start = bench.keeper.start("sorter")
    bench.turn()
    assert isinstance(outcome(start), RolloutError)
    worker.end(-9)
    bench.turn(times=3)
    assert bench.status().healthy


@pytest.mark.parametrize("held", ["old", "new"])
def test_an_activation_ends_though_a_driver_holds_a_worker(bench: Bench, held: str) -> None:
    if held == "old":
        hold(bench.starter.last)
    bench.starter.on_start = hold if held == "new" else pulse
    ticket = bench.keeper.activate(bench.releases.trusted(NEW.digest))
    bench.turn(1.0, times=70)
    error = outcome(ticket)
    assert isinstance(error, RolloutError)
    assert "sorter 2.0.0 was rolled back: " in error.message
    assert "which cannot be started: process 4000000 does not end" in error.message
    assert (bench.state_phase, bench.current) == ("running", OLD.digest)
    bench.starter.on_start = pulse
    bench.starter.last.end(-9)
    bench.turn(times=3)
    assert bench.status().healthy
    assert OLD.digest in " ".join(bench.starter.last.argv)


def test_a_keeper_that_is_closed_stops_its_worker_and_answers(bench: Bench) -> None:
    bench.starter.on_start = lambda child: None
    ticket = bench.keeper.activate(bench.releases.trusted(NEW.digest))
    bench.turn()
    bench.keeper.close()
    bench.keeper.run()
    assert bench.starter.last.ended()
    assert isinstance(outcome(ticket), Unreachable)
    again = Bench(bench.layout.prefix)
    assert (again.state_phase, again.current) == ("running", OLD.digest)


def test_a_committed_release_starts_by_itself(bench: Bench) -> None:
    bench.keygen.allowed = ()
    again = Bench(bench.layout.prefix)
    again.turn()
    assert OLD.digest in " ".join(again.starter.last.argv)


def test_a_committed_release_that_is_gone_is_told_and_another_can_be_deployed(bench: Bench) -> None:
    bench.layout.release(OLD.digest).rename(bench.layout.releases_dir / "elsewhere")
    again = Bench(bench.layout.prefix)
    again.turn(times=3)
    assert "is not on the device" in again.view().unhealthy_because[0]
    assert "is committed" in str(activate(again, pulse))


def test_a_state_that_cannot_be_read_starts_nothing_and_is_told(bench: Bench) -> None:
    bench.layout.state_file("sorter").write_bytes(b"\0" * 50)
    again = Bench(bench.layout.prefix)
    again.turn(times=3)
    status = again.status()
    assert (status.phase, status.current, status.worker.pid) == ("idle", None, 0)
    assert status.last_failure is not None
    assert "could not be read" in status.last_failure.reason


class FillingDisk(QuickFilesystem):
    """Full from the moment the test says so."""

    full = False

    def write(self, path: Path, data: bytes) -> None:
        if self.full:
            raise OSError(errno.ENOSPC, "No space left on device")
        super().write(path, data)


def test_a_commit_that_cannot_be_saved_goes_back(tmp_path: Path) -> None:
    disk = FillingDisk()
    bench = Bench(tmp_path, disk=disk)
    bench.commit(OLD)
    bench.install(NEW)
    ticket = bench.keeper.activate(bench.releases.trusted(NEW.digest))
    bench.turn(0.1, times=3)
    assert bench.state_phase == "settling"
    disk.full = True
    bench.turn(0.1, times=8)
    error = outcome(ticket)
    assert isinstance(error, RolloutError)
    assert "could not be committed" in error.message
    assert "disk full" in error.message
    assert (bench.state_phase, bench.current) == ("running", OLD.digest)
    assert Bench(tmp_path).current == OLD.digest


def test_an_activation_that_cannot_be_saved_is_refused(tmp_path: Path) -> None:
    disk = FillingDisk()
    bench = Bench(tmp_path, disk=disk)
    bench.commit(OLD)
    bench.install(NEW)
    disk.full = True
    ticket = bench.keeper.activate(bench.releases.trusted(NEW.digest))
    bench.turn(0.1, times=2)
    assert isinstance(outcome(ticket), RolloutError)
    assert not bench.starter.last.ended()
