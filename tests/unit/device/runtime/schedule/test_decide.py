"""What is done next where several streams wait for a few places."""

from __future__ import annotations

from typing import Any

import pytest

from edgekit.device.runtime.schedule.decide import Act, Guard, Situation, StreamRule, Waiting, decide

NOW_S = 100.0


def waits(stream: str, *, rule: StreamRule | None = None, captured_s: float = NOW_S, **more: Any) -> Waiting:
    given: dict[str, Any] = {"arrival": 1, "newest_s": captured_s, "since_s": captured_s, **more}
    return Waiting(stream=stream, rule=rule or StreamRule(), captured_s=captured_s, **given)


def act(*waiting: Waiting, free: int = 1, places: int = 1, guards: tuple[Guard, ...] = ()) -> Act | None:
    return decide(Situation(NOW_S, free, places, waiting, guards))


def test_nothing_that_waits_is_nothing_to_do() -> None:
    assert act() is None
    assert act(waits("a"), free=0) is None


def test_priority_goes_before_deadline_and_deadline_before_who_came_first() -> None:
    gate = waits("gate", rule=StreamRule(priority=1), arrival=9)
    soon = waits("soon", rule=StreamRule(deadline_s=0.1), arrival=8)
    later = waits("later", rule=StreamRule(deadline_s=0.5), arrival=7)
    yard, door = waits("yard", arrival=3), waits("door", arrival=2)
    order = ["gate", "soon", "later", "door", "yard"]
    left = [yard, door, later, soon, gate]
    for expected in order:
        assert act(*left) == Act(expected)
        left = [one for one in left if one.stream != expected]


def test_who_had_more_than_his_share_waits_until_the_others_deadline_is_nearer() -> None:
    greedy = waits("greedy", captured_s=NOW_S - 0.02, ahead_s=0.05)
    modest = waits("modest", captured_s=NOW_S)
    assert act(greedy, modest) == Act("modest")
    assert act(greedy._replace(captured_s=NOW_S - 0.06), modest) == Act("greedy")


@pytest.mark.parametrize(("left_s", "expected"), [(0.05, Act("a")), (0.07, Act("a", "deadline"))])
def test_what_cannot_be_through_in_time_is_dropped_before_it_costs_anything(left_s: float, expected: Act) -> None:
    late = waits("a", rule=StreamRule(deadline_s=0.1), captured_s=NOW_S - 0.04, left_s=left_s, cost_s=left_s)
    assert act(late) == expected
    assert act(late, waits("b", rule=StreamRule(priority=9))) == (expected if expected.cause else Act("b")), (
        "whoever is served first: what is hopeless holds memory"
    )


def test_an_older_frame_is_superseded_only_where_it_would_make_a_newer_one_late() -> None:
    rule = StreamRule(deadline_s=0.1)
    two = waits("a", rule=rule, captured_s=NOW_S - 0.03, newest_s=NOW_S - 0.01, cost_s=0.03, left_s=0.05)
    assert act(two) == Act("a"), "there is time for both"
    assert act(two._replace(cost_s=0.05)) == Act("a", "superseded")
    assert act(two._replace(rule=StreamRule(), cost_s=5.0, left_s=9.0)) == Act("a"), "who has no deadline is never late"


def test_who_waited_too_long_is_late_rather_than_never() -> None:
    rule = StreamRule(deadline_s=0.1, max_wait_s=1.0)
    late = waits("a", rule=rule, captured_s=NOW_S - 0.2, since_s=NOW_S - 1.0)
    high = waits("b", rule=StreamRule(priority=5))
    assert act(late, high) == Act("a")
    assert act(late._replace(newest_s=NOW_S), high) == Act("a", "deadline"), "but its newest frame, not an old one"
    assert act(late._replace(since_s=NOW_S - 0.9), high) == Act("a", "deadline")
    longer = waits("c", rule=rule, since_s=NOW_S - 3)
    assert act(late, longer) == Act("c"), "the longest first"


def test_what_does_not_fit_stops_nobody_behind_it() -> None:
    big = waits("big", rule=StreamRule(priority=1), places=2)
    assert act(big, waits("small"), free=1, places=2) == Act("small")
    assert act(big, waits("small"), free=2, places=2) == Act("big")


def test_places_are_kept_for_who_waited_too_long() -> None:
    big = waits("big", rule=StreamRule(max_wait_s=1.0), places=2, since_s=NOW_S - 1.5)
    assert act(big, waits("small"), free=1, places=2) is None
    assert act(big, waits("small"), free=2, places=3) == Act("big")
    impossible = big._replace(places=3)
    assert act(impossible, waits("small"), free=1, places=2) == Act("small"), "for what never fits nothing is kept"


def test_long_work_leaves_a_place_to_those_that_would_be_late_behind_it() -> None:
    long, gate = waits("long", cost_s=0.3), (Guard("gate", 0, 0.05),)
    assert act(long, free=2, places=2, guards=gate) == Act("long")
    assert act(long, free=1, places=2, guards=gate) is None
    assert act(long, waits("short", cost_s=0.04), free=1, places=2, guards=gate) == Act("short")
    assert act(long, free=1, places=1, guards=gate) == Act("long"), "where there is one place there is none to leave"
    assert act(waits("unknown"), free=1, places=2, guards=gate) is None, "nobody knows how long it takes"
    above = long._replace(rule=StreamRule(priority=1))
    assert act(above, free=1, places=2, guards=gate) == Act("long"), "who stands above waits for nobody below"
    assert act(long._replace(stream="gate"), free=1, places=2, guards=gate) == Act("gate"), "nor for himself"
