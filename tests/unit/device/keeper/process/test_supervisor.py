"""One worker is kept running: limits first, reports and lines read, ends told in words, restarts ever slower."""

from __future__ import annotations

import json
import signal
from dataclasses import replace
from pathlib import Path

import pytest

from edgekit.device.keeper.process.cgroup import CgroupTree, Limiter
from edgekit.device.keeper.process.supervisor import Ended, Reported
from edgekit.device.keeper.update.releases import Release
from edgekit.errors import InputError, RolloutError
from edgekit.schema.plan import WorkerPlan
from edgekit.schema.report import Report
from tests.fakes.cgroups import make_leaf, make_tree, set_memory
from tests.fakes.keeper import HEALTHY, Bench
from tests.fakes.releases import make_plan, make_release


def released(bench: LoneBench, plan: WorkerPlan | None = None) -> Release:
    release = make_release(plan=plan)
    bench.install(release)
    return bench.releases.trusted(release.digest)


class LoneBench(Bench):
    """With a supervisor that no keeper turns."""

    def __init__(self, root: Path, *, limiter: Limiter | None = None) -> None:
        super().__init__(root, limiter=limiter)
        self.supervisor = self.lone_supervisor()


@pytest.fixture
def bench(tmp_path: Path) -> LoneBench:
    return LoneBench(tmp_path)


@pytest.fixture
def running(bench: LoneBench) -> LoneBench:
    """A worker that has reported once."""
    bench.supervisor.start(released(bench))
    bench.supervisor.step()
    bench.starter.last.report(HEALTHY)
    bench.supervisor.step()
    return bench


def test_the_worker_gets_its_release_and_little_else(running: LoneBench) -> None:
    argv = running.starter.last.argv
    release = running.supervisor.release
    assert release is not None
    assert argv[-4:] == ["--release", str(release.path), "--work", str(running.layout.work("sorter"))]
    assert f"{release.path}/site" in argv
    status = running.supervisor.status()
    assert (status.state, status.limits, status.memory_max) == ("running", "advisory", 64 << 20)
    assert status.limits_note == "no cgroups in this test"


def test_reports_and_lines_are_read(running: LoneBench) -> None:
    child = running.starter.last
    child.say("hello\nhalf a l")
    child.report(replace(HEALTHY, frames=7))
    child.send(b"no json\n" + b'{"phase": 5}\n')
    assert running.supervisor.step() == [Reported(report=replace(HEALTHY, frames=7))]
    lines = [line.text for line in running.journal.tail(10)]
    assert "hello" in lines
    assert sum("cannot be read" in line for line in lines) == 2
    child.say("ine")
    child.end(0)
    running.supervisor.step()
    assert "half a line" in [line.text for line in running.journal.tail(10)]


def test_a_workers_line_does_not_pass_for_the_keepers(running: LoneBench) -> None:
    running.starter.last.say("keeper: sorter 9.9.9 is committed\n\x1b[1m keeper: so it is\nthe keeper: no\n")
    running.supervisor.step()
    lines = [line.text for line in running.journal.tail(3)]
    assert lines == ["worker: keeper: sorter 9.9.9 is committed", "worker:  keeper: so it is", "the keeper: no"]


def test_a_report_without_end_is_thrown_away(running: LoneBench) -> None:
    child = running.starter.last
    for _ in range(40):
        child.send(b"x" * 40_000)
        running.supervisor.step()
    child.send(b"\n")
    child.report(HEALTHY)
    assert Reported(report=HEALTHY) in running.supervisor.step()


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (0, "exited with code 0"),
        (3, "exited with code 3: no camera"),
        (-11, "killed by SIGSEGV"),
        (-63, "killed by signal 63"),
    ],
)
def test_an_end_is_told_in_words(running: LoneBench, code: int, reason: str) -> None:
    child = running.starter.last
    if code == 3:
        child.report(Report(phase="failed", message="no camera"))
    child.end(code)
    assert reasons(running.supervisor.step()) == [reason]
    status = running.supervisor.status()
    assert (status.pid, status.state, status.last_exit, status.restarts) == (0, "backoff", reason, 1)


def test_restarts_come_slower_and_slower_and_fast_again_after_a_steady_while(running: LoneBench) -> None:
    delays = []
    for _ in range(9):
        running.starter.last.end(1)
        running.supervisor.step()
        began_s = running.clock()
        while running.supervisor.process is None:
            running.clock.advance(0.5)
            running.supervisor.step()
        delays.append(running.clock() - began_s)
    assert delays == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    running.starter.last.report(HEALTHY)
    for _ in range(7):
        running.clock.advance(10)
        running.starter.last.report(HEALTHY)
        running.supervisor.step()
    running.starter.last.end(1)
    running.supervisor.step()
    running.clock.advance(1)
    running.supervisor.step()
    assert running.supervisor.process is not None


def test_a_worker_that_reports_no_more_is_killed(running: LoneBench) -> None:
    stall_s = make_plan().health.stall_s
    running.clock.advance(stall_s - 0.01)
    running.supervisor.step()
    assert not running.starter.last.ended()
    assert running.supervisor.wake_at_s == pytest.approx(running.clock() + 0.01)
    running.clock.advance(0.02)
    running.supervisor.step()
    assert reasons(running.supervisor.step()) == ["no report for 1 s"]


def test_a_worker_may_take_its_time_to_the_first_report(bench: LoneBench) -> None:
    bench.supervisor.start(released(bench))
    bench.supervisor.step()
    bench.clock.advance(4.9)
    bench.supervisor.step()
    assert not bench.starter.last.ended()
    bench.clock.advance(0.2)
    bench.supervisor.step()
    assert reasons(bench.supervisor.step()) == ["no report for 5 s"]


LOADING = Report(phase="starting", message="loading the engine")


def reasons(events: list[Reported | Ended]) -> list[str]:
    """Why workers ended, in words."""
    return [event.exit.reason for event in events if isinstance(event, Ended)]


def tick(bench: LoneBench, report: Report, seconds: float) -> list[Reported | Ended]:
    """A worker that reports the same at once and then every half second; what happened besides."""
    ended: list[Reported | Ended] = []
    for _ in range(int(seconds / 0.5)):
        if not bench.starter.last.ended():
            bench.starter.last.report(report)
        ended += [event for event in bench.supervisor.step() if isinstance(event, Ended)]
        bench.clock.advance(0.5)
    return ended


def test_a_worker_that_reports_while_it_loads_has_until_start_s(bench: LoneBench) -> None:
    """start_s is 5 and stall_s 1: only silence is measured by stall_s before the first frame."""
    bench.supervisor.start(released(bench))
    bench.supervisor.step()
    assert tick(bench, LOADING, 5.0) == []
    assert reasons(tick(bench, LOADING, 1.0)) == ["no frame within 5 s of its start"]


def test_a_loading_worker_that_falls_silent_is_not_waited_for_until_start_s(bench: LoneBench) -> None:
    bench.supervisor.start(released(bench))
    bench.supervisor.step()
    tick(bench, LOADING, 2.0)
    bench.clock.advance(0.6)
    bench.supervisor.step()
    assert reasons(bench.supervisor.step()) == ["no report for 1 s"]


def test_a_worker_that_reports_and_lets_no_frame_through_is_ended_and_started_again(running: LoneBench) -> None:
    first = running.starter.last
    assert tick(running, replace(HEALTHY, idle_s=1.0), 20.0) == []
    assert reasons(tick(running, replace(HEALTHY, idle_s=1.1), 1.0)) == ["no frame for 1 s"]
    assert first.ended()
    running.clock.advance(1.0)
    running.supervisor.step()
    assert running.starter.last is not first
    assert running.supervisor.status().restarts == 1


def test_a_worker_whose_sources_have_ended_is_left_alone(running: LoneBench) -> None:
    assert tick(running, replace(HEALTHY, idle_s=0.0, fps=0.0), 60.0) == []


def test_a_stop_is_asked_for_and_then_forced(running: LoneBench) -> None:
    child = running.starter.last
    child.obedient = False
    running.supervisor.stop()
    assert child.signals == [signal.SIGTERM]
    running.clock.advance(9.9)
    running.supervisor.step()
    assert not child.ended()
    running.clock.advance(0.2)
    running.supervisor.step()
    assert running.supervisor.step() == []
    assert running.supervisor.stopped
    assert "did not stop within 10 s" in running.supervisor.last_exit


def test_a_stopped_worker_stays_stopped(running: LoneBench) -> None:
    running.supervisor.stop()
    running.supervisor.step()
    assert running.supervisor.stopped
    running.clock.advance(100)
    assert running.supervisor.step() == []
    assert len(running.starter.children) == 1


def test_what_a_worker_leaves_behind_is_killed(running: LoneBench) -> None:
    running.starter.last.end(1)
    running.supervisor.step()
    assert signal.SIGKILL in running.starter.last.signals
    assert not any(running.layout.workers_dir.iterdir())


def test_a_worker_that_cannot_start_is_tried_again(bench: LoneBench) -> None:
    bench.starter.error = InputError("no python", hint="install it")
    bench.supervisor.start(released(bench))
    assert reasons(bench.supervisor.step()) == ["did not start: no python"]
    assert bench.supervisor.status().state == "backoff"
    bench.starter.error = None
    bench.clock.advance(1)
    bench.supervisor.step()
    assert bench.supervisor.status().state == "starting"


class TestLimits:
    """With a cgroup tree."""

    @pytest.fixture
    def tree(self, tmp_path: Path) -> Path:
        return make_tree(tmp_path / "sys")

    @pytest.fixture
    def bench(self, tmp_path: Path, tree: Path) -> LoneBench:
        return LoneBench(tmp_path / "p", limiter=Limiter(tree=CgroupTree(tree), note=""))

    def test_what_is_left_in_the_leaf_is_killed_first_and_holds_nobody_up(self, bench: LoneBench, tree: Path) -> None:
        leaf = make_leaf(tree)
        (leaf / "cgroup.procs").write_text("4194999\n")
        bench.supervisor.start(released(bench))
        for _ in range(5):
            assert bench.supervisor.step() == []
            bench.clock.advance(0.1)
        assert (leaf / "cgroup.kill").read_text() == "1"
        assert not bench.starter.children
        (leaf / "cgroup.procs").write_text("")
        bench.supervisor.step()
        assert (len(bench.starter.children), bench.supervisor.restarts) == (1, 0)

    def test_what_does_not_die_is_left_in_its_leaf_and_the_worker_has_one_beside_it(
        self, bench: LoneBench, tree: Path
    ) -> None:
        leaf, beside = make_leaf(tree), make_leaf(tree, "sorter.1")
        (leaf / "cgroup.procs").write_text("4194999\n")
        bench.supervisor.start(released(bench))
        for _ in range(110):
            assert bench.supervisor.step() == []
            bench.clock.advance(0.1)
        assert len(bench.starter.children) == 1
        assert json.loads(bench.starter.last.argv[5])["leaf"] == str(beside)
        assert (beside / "memory.max").read_text() == str(64 << 20)
        assert not (leaf / "memory.max").exists(), "what hangs there keeps its limits"
        assert bench.supervisor.status().limits == "enforced"
        assert any(f"{leaf} does not get empty" in line.text for line in bench.journal.tail(20))
        bench.supervisor.stop()
        bench.starter.last.end(0)
        bench.supervisor.step()
        (leaf / "cgroup.procs").write_text("")
        bench.supervisor.start(released(bench))
        bench.supervisor.step()
        assert json.loads(bench.starter.last.argv[5])["leaf"] == str(leaf), "it has ended after all"

    def test_where_nothing_dies_it_is_told_and_tried_again(self, bench: LoneBench, tree: Path) -> None:
        leaves = [make_leaf(tree, name) for name in ("sorter", "sorter.1", "sorter.2", "sorter.3")]
        for leaf in leaves:
            (leaf / "cgroup.procs").write_text("4194999\n")
        bench.supervisor.start(released(bench))
        ended: list[object] = []
        for _ in range(42):
            ended += bench.supervisor.step()
            bench.clock.advance(1.0)
        assert reasons(ended) == [f"did not start: {leaves[-1]} does not get empty"]
        (leaves[-1] / "cgroup.procs").write_text("")
        bench.clock.advance(1.0)
        bench.supervisor.step()
        assert len(bench.starter.children) == 1

    def test_limits_are_there_before_the_worker(self, bench: LoneBench, tree: Path) -> None:
        leaf = make_leaf(tree)
        seen: list[str] = []
        bench.starter.on_start = lambda child: seen.append((leaf / "memory.max").read_text())
        bench.supervisor.start(released(bench))
        bench.supervisor.step()
        assert seen == [str(64 << 20)]
        assert json.loads(bench.starter.last.argv[5])["leaf"] == str(leaf)
        status = bench.supervisor.status()
        assert (status.limits, status.cpuset_cpus, status.memory_current) == ("enforced", "0", 1 << 20)

    def test_an_oom_kill_is_told_as_one_and_counted_once(self, bench: LoneBench, tree: Path) -> None:
        leaf = make_leaf(tree)
        bench.supervisor.start(released(bench))
        bench.supervisor.step()
        set_memory(leaf, current=0, peak=64 << 20, oom_kill=2)
        bench.starter.last.end(-signal.SIGKILL)
        assert reasons(bench.supervisor.step()) == ["out of memory: killed at memory_max 64.0 MiB (peak 64.0 MiB)"]
        assert bench.supervisor.status().oom_kills == 1
        bench.clock.advance(1)
        bench.supervisor.step()
        bench.starter.last.end(-signal.SIGKILL)
        assert reasons(bench.supervisor.step()) == ["killed by SIGKILL"]

    def test_without_memory_peak_the_highest_seen_is_told(self, bench: LoneBench, tree: Path) -> None:
        leaf = make_leaf(tree)
        bench.supervisor.start(released(bench))
        bench.supervisor.step()
        set_memory(leaf, current=50 << 20, peak=0, oom_kill=0)
        (leaf / "memory.peak").unlink()
        bench.starter.last.report(HEALTHY)
        bench.supervisor.step()
        set_memory(leaf, current=9 << 20, peak=0, oom_kill=0)
        assert bench.supervisor.status().memory_peak == 50 << 20

    def test_cpus_that_are_not_there_are_refused_unless_limits_are_advice(self, bench: LoneBench, tree: Path) -> None:
        make_leaf(tree, cpus="2-3")
        plan = make_plan()
        bench.supervisor.start(released(bench, plan))
        bench.supervisor.step()
        assert "CPUs 0 are not to be had" in bench.supervisor.status().limits_note
        bench.supervisor.stop()
        bench.supervisor.step()
        enforced = replace(plan, limits=replace(plan.limits, advisory=False))
        bench.supervisor.start(released(bench, enforced))
        assert [type(event) for event in bench.supervisor.step()] == [Ended]
        assert "CPUs 0 are not to be had" in bench.supervisor.last_exit


def test_enforced_limits_without_cgroups_are_refused(bench: LoneBench) -> None:
    plan = make_plan()
    enforced = replace(plan, limits=replace(plan.limits, advisory=False))
    with pytest.raises(RolloutError, match="limits cannot be enforced: no cgroups in this test"):
        bench.supervisor.check(released(bench, enforced))


def test_a_flood_of_short_lines_is_left_out_but_for_the_last_ones(running: LoneBench) -> None:
    child = running.starter.last
    child.say("\n" * 50_000 + "the last\n")
    for _ in range(9):
        running.supervisor.step()
    lines = [line.text for line in running.journal.tail(2000)]
    assert "the last" in lines
    assert any(line.endswith("lines of sorter left out: too many at a time") for line in lines)
    assert len(lines) < 2000


def test_of_many_reports_at_a_time_the_last_ones_count(running: LoneBench) -> None:
    for number in range(100):
        running.starter.last.report(replace(HEALTHY, frames=number))
    found = running.supervisor.step()
    assert found[-1] == Reported(report=replace(HEALTHY, frames=99)) and len(found) <= 8
