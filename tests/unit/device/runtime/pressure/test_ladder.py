"""What the ladder promises for any readings: it never swings fast, ends at full, and never sheds the last stream."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgekit.device.runtime.pressure.ladder import (
    CALM_S,
    DOWN_S,
    MOST_CALM_S,
    URGENT_S,
    Ladder,
    LadderStep,
    Rung,
    rungs_of,
)
from edgekit.schema.order import MemoryReading
from edgekit.schema.pressure import RELIEFS

RUNGS = rungs_of(RELIEFS, [("gate", 1), ("yard", 0), ("door", 0)])
BEGIN, END, LIMIT = 850, 750, 1000


def reading(used: int, *, stalled: bool = False) -> MemoryReading:
    return MemoryReading(used_bytes=used, begin_bytes=BEGIN, end_bytes=END, limit_bytes=LIMIT, stalled=stalled)


def climb(
    seen: Iterable[tuple[float, MemoryReading]], ladder: Ladder | None = None
) -> tuple[Ladder, list[tuple[float, LadderStep]]]:
    """What becomes of a ladder with these readings, and its steps with their times."""
    ladder, steps = ladder or Ladder(rungs=RUNGS), []
    for at_s, one in seen:
        ladder, step = ladder.see(one, at_s)
        if step:
            steps.append((at_s, step))
    return ladder, steps


def held(used: int, begin_s: float, seconds: float, every_s: float = 0.1) -> list[tuple[float, MemoryReading]]:
    return [(begin_s + every_s * number, reading(used)) for number in range(round(seconds / every_s))]


READINGS = st.lists(
    st.tuples(st.floats(0.01, 5.0), st.integers(0, 1100), st.booleans()).map(
        lambda one: (one[0], reading(one[1], stalled=one[2] and one[1] % 7 == 0))
    ),
    max_size=300,
)


def at_times(gaps: list[tuple[float, MemoryReading]]) -> list[tuple[float, MemoryReading]]:
    now_s, found = 0.0, []
    for gap_s, one in gaps:
        now_s += gap_s
        found.append((now_s, one))
    return found


@settings(deadline=None)
@given(READINGS)
def test_it_never_swings_faster_than_its_pauses(gaps: list[tuple[float, MemoryReading]]) -> None:
    _, steps = climb(at_times(gaps))
    for (before_s, before), (after_s, after) in pairwise(steps):
        assert after_s - before_s >= URGENT_S - 1e-9
        if before.down and not after.down:
            assert after_s - before_s >= CALM_S - 1e-9, "given back only after it has been well for a while"


@settings(deadline=None)
@given(READINGS)
def test_steps_come_in_order_and_what_is_taken_is_what_they_say(gaps: list[tuple[float, MemoryReading]]) -> None:
    ladder, steps = climb(at_times(gaps))
    taken: list[Rung] = []
    for _, step in steps:
        if step.down:
            assert step.rung == RUNGS[len(taken)]
            taken.append(step.rung)
        else:
            assert step.rung == taken.pop()
    assert tuple(taken) == RUNGS[: ladder.taken]


@settings(deadline=None)
@given(READINGS)
def test_it_always_returns_to_full_when_pressure_is_gone(gaps: list[tuple[float, MemoryReading]]) -> None:
    seen = at_times(gaps)
    ladder, _ = climb(seen)
    last_s = seen[-1][0] if seen else 0.0
    ladder, _ = climb(held(END - 1, last_s + 0.1, MOST_CALM_S + len(RUNGS) + 1), ladder)
    assert ladder.taken == 0


@settings(deadline=None)
@given(READINGS)
def test_between_its_thresholds_nothing_changes(gaps: list[tuple[float, MemoryReading]]) -> None:
    seen = at_times(gaps)
    ladder, _ = climb(seen)
    last_s = seen[-1][0] if seen else 0.0
    _, steps = climb(held((BEGIN + END) // 2, last_s + 0.1, 60.0), ladder)
    assert steps == []


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from("abcdefgh"), st.integers(0, 3)), min_size=1, unique_by=lambda one: one[0]))
def test_the_last_stream_of_the_highest_priority_is_never_shed(streams: list[tuple[str, int]]) -> None:
    rungs = rungs_of(RELIEFS, streams)
    shed = [rung.stream for rung in rungs if rung.relief == "shed"]
    priorities = dict(streams)
    assert [priorities[name] for name in shed] == sorted(priorities[name] for name in shed), "lowest first"
    (left,) = set(priorities) - set(shed)
    assert priorities[left] == max(priorities.values())


def test_rates_never_reach_zero() -> None:
    assert [str(rung) for rung in rungs_of(("fps",), [("a", 0)])] == ["fps 1/2", "fps 1/4", "fps 1"]


def test_a_burst_is_met_fast_and_over_within_ten_seconds() -> None:
    ladder, steps = climb(held(960, 0.0, 1.0))
    assert len(steps) >= 6, "near the limit there is no time to lose"
    assert steps[0][0] == 0.0
    ladder, back = climb(held(500, 1.0, 9.0), ladder)
    assert ladder.taken == 0 and len(back) == len(steps)


def test_it_goes_slower_while_there_is_time() -> None:
    _, steps = climb(held(870, 0.0, 1.6))
    assert [at_s for at_s, _ in steps] == pytest.approx([0.0, DOWN_S, 2 * DOWN_S, 3 * DOWN_S], abs=0.11)


def test_a_stall_counts_whatever_is_used() -> None:
    ladder, steps = climb([(0.0, reading(100, stalled=True))])
    assert [step.down for _, step in steps] == [True] and ladder.taken == 1


def test_a_load_between_two_rungs_swings_ever_slower() -> None:
    """Without the third rung there is too little memory, with it enough: for ever."""
    ladder, now_s, ups = Ladder(rungs=RUNGS), 0.0, list[float]()
    while now_s < 600.0:
        ladder, step = ladder.see(reading(900 if ladder.taken < 3 else 700), now_s)
        if step and not step.down:
            ups.append(now_s)
        now_s += 0.1
    gaps = [later - earlier for earlier, later in pairwise(ups)]
    assert gaps[0] < 3 * CALM_S and gaps[-1] >= MOST_CALM_S, "first soon, at last every half minute"
    assert len(ups) < 40
    ladder, _ = climb(held(100, now_s, 120.0), ladder)
    assert ladder.taken == 0 and ladder.calm_s == CALM_S, "what was learnt is forgotten once all has been well"


def test_without_rungs_nothing_happens() -> None:
    ladder, steps = climb(held(999, 0.0, 5.0), Ladder(rungs=()))
    assert (ladder.taken, steps) == (0, [])
