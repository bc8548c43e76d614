"""The board's clock jumps by years, forwards and back, at every step: nothing that is judged looks at it.

Keys that end and permits do, and no clock locks a fresh one out: tests/unit/judging/test_keys.py and
test_trust_over_time.py.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path

import pytest

from edgekit.schema.report import Report
from tests.fakes.keeper import Bench, pulse
from tests.fakes.releases import make_plan, make_release

YEAR_S = 365.25 * 86_400
NOW_S = 57 * YEAR_S
JUMPS = {
    "forwards": itertools.cycle([NOW_S, NOW_S + 30 * YEAR_S]),
    "backwards": itertools.cycle([NOW_S, 5.0]),
    "to and fro": itertools.cycle([5.0, NOW_S + 60 * YEAR_S, NOW_S]),
}
ONE, TWO = (make_release("healthy", plan=make_plan(version=f"{number}.0.0")) for number in (1, 2))
UNHEALTHY = Report(phase="running", fps=0.0, frames=5, golden="passed")


def turn(bench: Bench, jump: Callable[[], float], times: int, seconds: float = 0.1) -> None:
    """Let time pass, with another wall clock at each turn."""
    for _ in range(times):
        bench.wall_s = jump()
        bench.turn(seconds)


@pytest.mark.parametrize("name", JUMPS)
def test_a_trial_takes_as_long_as_ever(tmp_path: Path, name: str) -> None:
    jump = JUMPS[name].__next__
    bench = Bench(tmp_path, boot="b")
    bench.commit(ONE)
    bench.install(TWO)
    bench.starter.on_start = pulse
    bench.keeper.activate(bench.releases.trusted(TWO.digest))
    settle_s = make_plan().health.settle_s
    turn(bench, jump, times=3, seconds=settle_s / 10)
    assert bench.state_phase == "settling"
    turn(bench, jump, times=12, seconds=settle_s / 10)
    assert (bench.state_phase, bench.current) == ("running", TWO.digest)


@pytest.mark.parametrize("name", JUMPS)
def test_a_bad_one_goes_back_and_a_restart_runs_what_was_committed(tmp_path: Path, name: str) -> None:
    jump = JUMPS[name].__next__
    bench = Bench(tmp_path, boot="b")
    bench.commit(ONE)
    bench.install(TWO)

    def sick(child: object) -> None:
        child.pulse = UNHEALTHY  # type: ignore[attr-defined]

    bench.starter.on_start = sick
    bench.keeper.activate(bench.releases.trusted(TWO.digest))
    turn(bench, jump, times=4)
    assert bench.state_phase == "activating", "not before its start_s, whatever the clock says"
    bench.starter.on_start = pulse
    turn(bench, jump, times=8, seconds=1.0)
    assert (bench.state_phase, bench.current) == ("running", ONE.digest)
    for number in range(6):
        again = Bench(tmp_path, boot=f"boot {number}")
        again.starter.on_start = pulse
        turn(again, jump, times=8)
        assert again.current == ONE.digest and again.status().healthy
