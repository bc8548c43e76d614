"""The scheduler over time, on a virtual clock: bounded waits, no idle place, order, no lost frame, shares, recovery."""

from __future__ import annotations

import heapq
from math import inf

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgekit.device.runtime.schedule.costs import RecentCosts
from edgekit.device.runtime.schedule.decide import StreamRule
from tests.fakes.frames import frame
from tests.fakes.lane_simulation import Camera, Simulation

COSTS = st.floats(0.005, 0.2)
RULES = st.builds(
    StreamRule,
    priority=st.integers(0, 2),
    weight=st.floats(0.5, 3),
    deadline_s=st.sampled_from([0.05, 0.2, 0.5, inf]),
    max_wait_s=st.just(0.5),
    patience=st.just(0.0),
)
CAMERAS = st.lists(st.tuples(st.floats(0.02, 0.5), COSTS, RULES), min_size=1, max_size=6)


def simulated(cameras: list[tuple[float, float, StreamRule]], places: int, queue: int, seed: int) -> Simulation:
    made = [
        Camera(name=f"s{number}", period_s=period_s, cost_s=cost_s, rule=rule)
        for number, (period_s, cost_s, rule) in enumerate(cameras)
    ]
    simulation = Simulation(made, places, queue=queue, jitter=0.1, seed=seed)
    simulation.run(3.0)
    return simulation


@settings(deadline=None, max_examples=25)
@given(CAMERAS, st.integers(1, 3), st.integers(1, 3), st.integers(0, 1000))
def test_waits_are_bounded_order_holds_and_no_frame_is_lost(
    cameras: list[tuple[float, float, StreamRule]], places: int, queue: int, seed: int
) -> None:
    """Whatever the priorities: nobody waits longer than `max_wait_s`, two of his periods and once for everybody.

    One period until a frame comes that waits, one until the next after it has waited too long.
    """
    simulation = simulated(cameras, places, queue, seed)
    longest_s = max(cost_s for _, cost_s, _ in cameras)
    for name, camera in simulation.cameras.items():
        assert camera.longest_gap_s <= 2 * camera.period_s + 0.5 + len(cameras) * longest_s + 1e-6
        assert len(set(camera.done)) == len(camera.done)
        assert camera.handed_on == sorted(camera.done), "whichever thread was faster"
        assert len(camera.done) + sum(simulation.drops(name).values()) == camera.given


@settings(deadline=None, max_examples=15)
@given(CAMERAS, st.integers(1, 3), st.integers(0, 1000))
def test_no_place_is_idle_while_something_waits_unless_it_is_kept(
    cameras: list[tuple[float, float, StreamRule]], places: int, seed: int
) -> None:
    """Places are kept for streams with deadlines alone: without any, or with one place, none is."""
    free = [(period_s, cost_s, rule._replace(deadline_s=inf)) for period_s, cost_s, rule in cameras]
    assert simulated(free, places, 2, seed).idle_while_waiting == 0
    assert simulated(cameras, 1, 2, seed).idle_while_waiting == 0


def test_a_stream_that_may_wait_for_ever_gets_what_is_left() -> None:
    gate = Camera(name="gate", period_s=0.1, cost_s=0.11, rule=StreamRule(priority=1))
    never = Camera(name="never", period_s=0.1, cost_s=0.05)
    sometimes = Camera(name="sometimes", period_s=0.1, cost_s=0.05, rule=StreamRule(max_wait_s=1.0))
    simulation = Simulation([gate, never, sometimes], queue=1)
    simulation.run(30.0)
    assert len(never.done) <= 3 and 15 <= len(sometimes.done) <= 40


def test_weights_share_what_is_too_little() -> None:
    cameras = [
        Camera(name=name, period_s=0.01, cost_s=cost_s, rule=StreamRule(weight=weight))
        for name, weight, cost_s in (("double", 2.0, 0.03), ("single", 1.0, 0.03), ("costly", 1.0, 0.06))
    ]
    Simulation(cameras).run(20.0)
    time_s = {camera.name: len(camera.done) * camera.cost_s for camera in cameras}
    assert time_s["double"] / time_s["single"] == pytest.approx(2.0, rel=0.15)
    assert time_s["costly"] / time_s["single"] == pytest.approx(1.0, rel=0.15)


def test_who_was_away_saves_nothing_up() -> None:
    """A camera that comes after a minute does not have the lane to itself until it has made up for it."""
    first = Camera(name="first", period_s=0.02, cost_s=0.03, until_s=30)
    second = Camera(name="second", period_s=0.02, cost_s=0.03, until_s=30)
    simulation = Simulation([first, second])
    simulation.run(30.0)
    scheduler = simulation.scheduler
    scheduler.rules["late"] = StreamRule()
    late = Camera(name="late", period_s=0.02, cost_s=0.03)
    simulation.cameras["late"] = late
    begun = len(first.done)
    simulation.clock.now_s = 0.0
    for number in range(400):
        simulation.clock.now_s += 0.02
        for camera in (first, late):
            simulation.queues.put(frame(10_000 + number, camera.name, captured_s=simulation.clock.now_s))
        simulation.start()
        while simulation.running and simulation.running[0][0] <= simulation.clock.now_s:
            _, _, done, began_s = heapq.heappop(simulation.running)
            simulation.cameras[done.stream].done.append(done.sequence)
            simulation.queues.done(done, began_s)
            simulation.start()
    assert len(first.done) - begun == pytest.approx(len(late.done), abs=15)


def test_frames_that_are_done_are_in_time_where_costs_are_known() -> None:
    rule = StreamRule(deadline_s=0.15)
    cameras = [Camera(name=f"c{number}", period_s=0.05, cost_s=0.03, rule=rule) for number in range(4)]
    simulation = Simulation(cameras, queue=2)
    simulation.run(20.0)
    for camera in cameras:
        assert len(camera.done) > 100
        late = sum(latency_s > 0.15 + 1e-6 for latency_s in camera.latencies_s)
        assert late <= 2, "the first ones alone, whose cost nobody knew"
        causes = simulation.drops(camera.name)
        assert causes.keys() <= {"deadline", "superseded", "drop_oldest"} and sum(causes.values()) > 100


def test_long_work_beside_a_fast_camera_leaves_it_a_place() -> None:
    gate = Camera(name="gate", period_s=1 / 30, cost_s=0.008, rule=StreamRule(deadline_s=0.066))
    long = [Camera(name=f"long{number}", period_s=0.2, cost_s=0.3) for number in range(3)]
    simulation = Simulation([gate, *long], places=2)
    simulation.run(30.0)
    assert sorted(gate.latencies_s)[len(gate.latencies_s) * 99 // 100] < 0.066
    assert len(gate.done) > 850 and all(len(camera.done) > 20 for camera in long)


def test_a_slow_start_does_not_have_all_frames_dropped_for_ever() -> None:
    """Where costs are known to be too high nothing is tried, and so nothing would tell that they no longer are."""
    camera = Camera(name="a", period_s=0.05, cost_s=0.5, rule=StreamRule(deadline_s=0.1))
    simulation = Simulation([camera], queue=2)
    simulation.run(1.0)
    assert len(camera.done) == 1 and simulation.drops("a")["deadline"] > 5
    camera.cost_s = 0.01
    for number in range(100, 200):
        simulation.clock.now_s += 0.05
        simulation.queues.put(frame(number, "a", captured_s=simulation.clock.now_s))
        simulation.start()
        while simulation.running:
            simulation.clock.now_s, _, done, began_s = heapq.heappop(simulation.running)
            camera.done.append(done.sequence)
            simulation.queues.done(done, began_s)
    assert len(camera.done) > 50


def test_costs_are_bounded_by_the_slow_ones_and_forgotten() -> None:
    costs = RecentCosts()
    assert costs.bound_s(0.0) == 0.0
    for number in range(100):
        costs.add(0.01 + (number % 20 == 0) * 0.1, number * 0.01)
    assert costs.bound_s(1.0) == pytest.approx(0.01)
    costs.add(0.3, 1.0)
    for number in range(40):
        costs.add(0.2, 1.0 + number * 0.01)
    assert costs.bound_s(1.4) == pytest.approx(0.2)
    assert costs.bound_s(60.0) == 0.0
    costs.add(0.02, 60.0)
    assert costs.bound_s(60.0) == pytest.approx(0.02), "what was before the pause counts no more"
