"""Two applications under one keeper: what happens to one leaves the other alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from edgekit.device.keeper.control.ticket import Ticket
from edgekit.device.keeper.process.cgroup import CgroupTree, Limiter
from edgekit.errors import LockHeld, NothingSelected, RolloutError
from edgekit.schema.control import CpuShare
from tests.fakes.cgroups import make_leaf, make_tree
from tests.fakes.child import FakeChild
from tests.fakes.keeper import HEALTHY, Bench, outcome, pulse
from tests.fakes.releases import FakeRelease, make_plan, make_release

MIB = 1 << 20
NOBODY = frozenset[int]()


def release(application: str, version: str = "1.0.0", memory_max: int = 64 * MIB, advisory: bool = True) -> FakeRelease:
    plan = make_plan(application=application, version=version)
    limits = replace(plan.limits, memory_max=memory_max, advisory=advisory)
    return make_release(plan=replace(plan, limits=limits), extra={"own": f"{application} {version}".encode()})


SORTER, COUNTER = release("sorter"), release("counter")
NEXT = release("counter", "2.0.0")


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """Both run, healthy, and the counter's next release is installed."""
    bench = Bench(tmp_path)
    bench.commit(SORTER)
    bench.commit(COUNTER)
    bench.install(NEXT)
    return bench


def activate(bench: Bench, made: FakeRelease) -> Ticket:
    return bench.keeper.activate(bench.releases.trusted(made.digest))


def on_start(bench: Bench, digest: str, behave: object) -> None:
    """Workers of one release behave so, all others are healthy."""

    def act(child: FakeChild) -> None:
        if digest in " ".join(child.argv):
            behave(child)  # type: ignore[operator]
        else:
            child.pulse = HEALTHY

    bench.starter.on_start = act


class Untouched:
    """The sorter as it is now; `check` says whether anything happened to it."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self._child = bench.child("sorter")
        self._state = bench.view("sorter").state

    def check(self) -> None:
        assert self._bench.child("sorter") is self._child
        assert not self._child.ended()
        assert self._child.signals == []
        assert self._bench.view("sorter").state == self._state
        assert self._bench.status("sorter").healthy
        assert self._bench.status("sorter").worker.restarts == 0


@pytest.fixture
def untouched(bench: Bench) -> Untouched:
    return Untouched(bench)


def test_each_has_a_state_a_folder_and_a_note_of_its_own(bench: Bench) -> None:
    layout = bench.layout
    for name in ("counter", "sorter"):
        assert layout.state_file(name).is_file()
        assert layout.work(name).is_dir()
    assert [found.application for found in bench.figures.status({}).applications] == ["counter", "sorter"]
    assert bench.child("sorter") is not bench.child("counter")


def test_an_update_of_one_does_not_touch_the_other(bench: Bench, untouched: Untouched) -> None:
    ticket = activate(bench, NEXT)
    bench.turn(0.1, times=8)
    assert "counter 2.0.0" in str(outcome(ticket))
    assert bench.view("counter").state.phase == "running"
    untouched.check()


def test_a_bad_release_of_one_goes_back_alone(bench: Bench, untouched: Untouched) -> None:
    on_start(bench, NEXT.digest, lambda child: child.end(3))
    ticket = activate(bench, NEXT)
    bench.turn(0.1, times=8)
    assert isinstance(outcome(ticket), RolloutError)
    current = bench.view("counter").state.current
    assert current is not None
    assert current.digest == COUNTER.digest
    untouched.check()


def test_two_activations_at_once_both_end_well(bench: Bench) -> None:
    bench.install(release("sorter", "2.0.0"))
    both = [activate(bench, NEXT), activate(bench, release("sorter", "2.0.0"))]
    bench.turn(0.1, times=8)
    assert ["is committed" in str(outcome(ticket)) for ticket in both] == [True, True]


def test_one_that_crashes_again_and_again_restarts_alone(bench: Bench, untouched: Untouched) -> None:
    bench.starter.on_start = lambda child: child.end(-11)
    bench.child("counter").end(-11)
    bench.turn(0.5, times=20)
    assert bench.status("counter").worker.restarts >= 3
    assert not bench.status("counter").healthy
    untouched.check()


def test_one_that_is_stopped_and_started_leaves_the_other_alone(bench: Bench, untouched: Untouched) -> None:
    ticket = bench.keeper.stop("counter")
    bench.turn(times=2)
    assert outcome(ticket) == "counter is stopped"
    assert bench.status("counter").worker.pid == 0
    untouched.check()
    ticket = bench.keeper.start("counter")
    bench.turn(times=3)
    assert "is the current release, and healthy" in str(outcome(ticket))
    untouched.check()


def test_a_stopped_one_stays_stopped_over_a_restart_of_the_keeper(bench: Bench) -> None:
    bench.keeper.stop("counter")
    bench.turn(times=2)
    again = Bench(bench.layout.prefix)
    again.starter.on_start = pulse
    again.turn(times=3)
    assert [again.status(name).phase for name in ("counter", "sorter")] == ["stopped", "running"]
    assert again.status("counter").worker.pid == 0
    again.keeper.start("counter")
    again.turn(times=3)
    assert again.status("counter").healthy


def test_one_that_does_not_get_healthy_after_a_start_says_why(bench: Bench) -> None:
    bench.keeper.stop("counter")
    bench.turn(times=2)
    on_start(bench, COUNTER.digest, lambda child: child.end(1))
    ticket = bench.keeper.start("counter")
    bench.turn(times=3)
    error = outcome(ticket)
    assert isinstance(error, RolloutError)
    assert "not healthy: exited with code 1" in error.message
    on_start(bench, COUNTER.digest, lambda child: None)
    ticket = bench.keeper.start("counter")
    bench.turn(1.0, times=8)
    assert "not healthy" in str(outcome(ticket))


def test_a_start_waits_for_the_new_worker_and_not_for_the_one_that_is_ending(bench: Bench) -> None:
    worker = bench.child("counter")
    bench.starter.obedient = worker.obedient = False
    stopping = bench.keeper.stop("counter")
    bench.turn()
    ticket = bench.keeper.start("counter")
    bench.turn(times=5)
    assert "was started again before it had stopped" in str(outcome(stopping))
    assert ticket._queue.empty()
    worker.end(0)
    bench.turn(times=3)
    assert "is the current release, and healthy" in str(outcome(ticket))
    assert bench.child("counter") is not worker


def test_a_start_that_is_stopped_meanwhile_is_no_success(bench: Bench) -> None:
    bench.keeper.stop("counter")
    bench.turn(times=2)
    on_start(bench, COUNTER.digest, lambda child: None)
    ticket = bench.keeper.start("counter")
    bench.turn()
    bench.keeper.stop("counter")
    bench.turn(times=2)
    assert "told to do something else" in str(outcome(ticket))


def test_a_request_that_fails_ends_with_an_error_and_the_keeper_goes_on(bench: Bench, untouched: Untouched) -> None:
    def fail(*_: object) -> object:
        raise OSError("the disk is gone")

    bench.application("counter").halt = fail  # type: ignore[method-assign,assignment]
    ticket = bench.keeper.stop("counter")
    bench.turn(times=2)
    assert "the disk is gone" in str(outcome(ticket))
    untouched.check()


def test_activating_the_release_that_crash_loops_is_no_success(bench: Bench) -> None:
    on_start(bench, COUNTER.digest, lambda child: child.end(1))
    bench.child("counter").end(1)
    bench.turn(times=3)
    ticket = activate(bench, COUNTER)
    bench.turn(1.0, times=8)
    assert isinstance(outcome(ticket), RolloutError)


def test_a_removed_one_is_gone_at_once_and_its_releases_with_the_next_clearing(
    bench: Bench, untouched: Untouched
) -> None:
    worker = bench.child("counter")
    ticket = bench.keeper.remove("counter")
    bench.turn(times=3)
    assert outcome(ticket) == "counter is removed"
    assert worker.ended()
    assert bench.keeper.application("counter") is None
    assert not bench.layout.application("counter").exists()
    bench.keeper.folders.clear()
    assert [path.name for path in bench.layout.applications_dir.iterdir()] == ["sorter"]
    bench.releases.clearing.collect(bench.keeper.references)
    assert [path.name for path in bench.layout.releases_dir.iterdir()] == [SORTER.digest]
    untouched.check()
    assert [found.application for found in Bench(bench.layout.prefix).figures.status({}).applications] == ["sorter"]


def test_a_removed_one_can_be_deployed_again(bench: Bench) -> None:
    bench.keeper.remove("counter")
    bench.turn(times=3)
    bench.starter.on_start = pulse
    bench.commit(COUNTER)
    assert bench.status("counter").healthy


def test_removal_and_activation_exclude_each_other(bench: Bench) -> None:
    on_start(bench, NEXT.digest, lambda child: None)
    activate(bench, NEXT)
    bench.turn()
    ticket = bench.keeper.remove("counter")
    bench.turn()
    assert isinstance(outcome(ticket), LockHeld)


def test_what_is_not_there_is_said_so(bench: Bench) -> None:
    for ask in (bench.keeper.start, bench.keeper.stop, bench.keeper.remove):
        ticket = ask("nobody")
        bench.turn()
        assert isinstance(outcome(ticket), NothingSelected)


@pytest.mark.parametrize("harm", ["state", "release", "folder"])
def test_a_board_with_a_broken_application_runs_the_other_and_says_so(bench: Bench, harm: str) -> None:
    match harm:
        case "state":
            bench.layout.state_file("counter").write_bytes(b"\0" * 20)
        case "release":
            bench.layout.release(COUNTER.digest).rename(bench.layout.releases_dir / "elsewhere")
        case "folder":
            bench.layout.state_file("counter").unlink()
            bench.layout.state_file("counter").mkdir()
    again = Bench(bench.layout.prefix)
    again.starter.on_start = pulse
    again.turn(times=3)
    assert again.status("sorter").healthy
    assert not again.status("counter").healthy
    assert again.status("counter").unhealthy_because
    again.commit(NEXT)
    assert again.status("counter").healthy


def test_releases_of_an_application_whose_state_is_lost_are_not_cleared_out(bench: Bench) -> None:
    bench.layout.state_file("counter").write_bytes(b"{")
    again = Bench(bench.layout.prefix)
    again.releases.clearing.collect(again.keeper.references)
    assert again.releases.installed(COUNTER.digest)
    assert again.releases.installed(SORTER.digest)
    again.commit(NEXT)
    again.releases.clearing.collect(again.keeper.references)
    assert not again.releases.installed(COUNTER.digest)
    assert again.releases.installed(NEXT.digest)


def test_a_fault_of_the_keeper_with_one_does_not_stop_the_other(bench: Bench, untouched: Untouched) -> None:
    def fail(*_: object) -> object:
        raise ZeroDivisionError("a bug")

    bench.application("counter").supervisor.step = fail  # type: ignore[method-assign,assignment]
    ticket = bench.keeper.stop("counter")
    bench.turn(times=5)
    assert isinstance(outcome(ticket), RolloutError)
    told = [line for line in bench.journal.tail(100) if "cannot be looked after" in line.text]
    assert len(told) == 1
    untouched.check()


@pytest.mark.parametrize("idle_s", [None, 31.0], ids=["keeper wakes first", "worker wakes first"])
def test_a_machine_that_stands_still_for_stall_s_costs_no_worker(bench: Bench, idle_s: float | None) -> None:
    """Paused, or starved of its processors: the clock goes on, and no worker could report or take a frame."""
    worker = bench.child("sorter")
    worker.pulse = None

    def stand_still(_descriptors: object, seconds: float) -> None:
        bench.clock.advance(seconds + 31)
        if idle_s:
            worker.report(replace(HEALTHY, idle_s=idle_s))

    awake, bench.keeper.waker.sleep = bench.keeper.waker.sleep, stand_still  # type: ignore[method-assign]
    bench.keeper.sleep()
    bench.keeper.waker.sleep = awake  # type: ignore[method-assign]
    bench.keeper.step()
    assert not worker.ended()
    worker.report(HEALTHY)
    bench.turn()
    assert bench.status("sorter").healthy
    bench.turn(make_plan().health.stall_s)
    assert worker.ended(), "one that stays silent is ended as ever"


class TestSharing:
    """Memory and CPUs."""

    def test_limits_that_do_not_add_up_are_refused_with_each_share(self, tmp_path: Path) -> None:
        bench = Bench(tmp_path, memory_bytes=1024 * MIB)
        bench.commit(release("sorter", memory_max=500 * MIB))
        large = release("counter", memory_max=461 * MIB, advisory=False)
        bench.install(large)
        ticket = activate(bench, large)
        bench.turn()
        error = outcome(ticket)
        assert isinstance(error, RolloutError)
        assert "counter 461.0 MiB + sorter 500.0 MiB = 961.0 MiB, there are 960.0 MiB" in error.message
        assert "edgekit stop" in error.hint
        assert bench.keeper.application("counter") is None
        wanted = replace(large.manifest.requires, cgroup_controllers=("memory",), memory_bytes=461 * MIB)
        with pytest.raises(RolloutError, match=r"= 961\.0 MiB"):
            bench.keeper.check_room("counter", wanted)
        bench.keeper.check_room("counter", replace(wanted, memory_bytes=460 * MIB))

    def test_a_stopped_one_makes_room_and_is_refused_when_there_is_none(self, tmp_path: Path) -> None:
        tree = make_tree(tmp_path / "sys")
        limiter = Limiter(tree=CgroupTree(tree), note="")
        bench = Bench(tmp_path / "p", limiter=limiter, memory_bytes=1024 * MIB)
        for name in ("sorter", "counter"):
            make_leaf(tree, name)
            bench.keeper.stop("sorter")
            bench.turn(times=2)
            bench.commit(release(name, memory_max=500 * MIB, advisory=False))
        assert bench.figures.status({}).memory_promised_bytes == 500 * MIB
        ticket = bench.keeper.start("sorter")
        bench.turn(times=2)
        assert isinstance(outcome(ticket), RolloutError)
        again = Bench(tmp_path / "p", limiter=limiter, memory_bytes=1024 * MIB)
        again.turn()
        ticket = again.keeper.start("sorter")
        again.turn()
        assert "sorter 500.0 MiB + counter 500.0 MiB" in str(outcome(ticket))

    def test_what_may_be_activated_may_be_started_again(self, tmp_path: Path) -> None:
        """Limits that are advice are no reason to refuse: neither a release, nor its start after a stop."""
        bench = Bench(tmp_path, memory_bytes=1024 * MIB)
        for name in ("sorter", "counter"):
            bench.commit(release(name, memory_max=500 * MIB))
        bench.keeper.stop("sorter")
        bench.turn(times=2)
        ticket = bench.keeper.start("sorter")
        bench.turn(0.1, times=8)
        assert "healthy" in str(outcome(ticket)) and bench.status("sorter").healthy

    def test_an_update_counts_the_larger_of_both_releases_until_it_is_committed(self, tmp_path: Path) -> None:
        bench = Bench(tmp_path, memory_bytes=1024 * MIB)
        bench.commit(release("counter", memory_max=500 * MIB))
        small = release("counter", "2.0.0", memory_max=50 * MIB)
        bench.install(small)
        activate(bench, small)
        bench.turn()
        assert bench.figures.status({}).memory_promised_bytes == 500 * MIB
        bench.turn(times=8)
        assert bench.figures.status({}).memory_promised_bytes == 50 * MIB

    def test_who_shares_cpus_is_said_when_it_begins_and_shown(self, bench: Bench) -> None:
        ticket = activate(bench, NEXT)
        bench.turn()
        messages = []
        while not ticket._queue.empty():
            event = ticket._queue.get()
            assert not isinstance(event, Exception)
            messages.append(event.message)
        assert "counter shares CPUs 0 with sorter" in messages
        assert bench.status("sorter").shares_cpus == (CpuShare(application="counter", cpus="0"),)


def test_cpus_are_kept_for_those_that_run_and_ask_for_it(bench: Bench) -> None:
    assert set(bench.isolated) == {NOBODY}
    plan = make_plan(application="gate")
    limits = replace(plan.limits, cpuset_cpus=(4, 5), isolate=True)
    bench.commit(make_release(plan=replace(plan, limits=limits)))
    assert bench.isolated[-1] == {4, 5}
    bench.keeper.stop("gate")
    bench.turn(times=5)
    assert bench.isolated[-1] == NOBODY
