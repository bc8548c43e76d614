"""Virtual CPUs and accelerators: who shares one takes turns, who has his own does not notice."""

from __future__ import annotations

import pytest

from edgekit.device.runtime.forecast.processors import SLICE_S, Clock, Cpu, Cpus, Slots


def test_time_goes_in_order_and_what_is_asked_first_comes_first() -> None:
    clock, seen = Clock(), list[str]()
    clock.at(2.0, lambda: seen.append("late"))
    clock.at(1.0, lambda: seen.append("first"))
    clock.at(1.0, lambda: seen.append("second"))
    clock.run(1.5)
    assert (seen, clock.now_s) == (["first", "second"], 1.5)
    clock.run(3.0)
    assert seen[-1] == "late"


def test_two_that_share_a_cpu_take_turns_and_short_work_is_soon_through() -> None:
    clock = Clock()
    cpu, done = Cpu(0, clock), dict[str, float]()
    cpu.work(10 * SLICE_S, lambda: done.__setitem__("long", clock.now_s))
    cpu.work(SLICE_S, lambda: done.__setitem__("short", clock.now_s))
    clock.run(1.0)
    assert done == {"short": pytest.approx(2 * SLICE_S), "long": pytest.approx(11 * SLICE_S)}
    assert cpu.busy_s == pytest.approx(11 * SLICE_S) and cpu.load == 0


def test_who_comes_while_a_long_one_computes_waits_for_one_turn_at_most() -> None:
    clock = Clock()
    cpu, done = Cpu(0, clock), list[float]()
    cpu.work(100 * SLICE_S, lambda: None)
    clock.after(SLICE_S / 2, lambda: cpu.work(SLICE_S / 2, lambda: done.append(clock.now_s)))
    clock.run(1.0)
    assert done == [pytest.approx(1.5 * SLICE_S)]


def test_threads_go_to_the_cpu_that_fewest_want_among_those_that_they_may_have() -> None:
    clock, done = Clock(), list[float]()
    cpus = Cpus((0, 1), clock)
    for _ in range(2):
        cpus.work((0, 1), 0.002, lambda: done.append(clock.now_s))
    cpus.work((0,), 0.002, lambda: done.append(clock.now_s))
    clock.run(1.0)
    assert done == [pytest.approx(0.002), pytest.approx(0.002), pytest.approx(0.004)]
    assert cpus.all[0].busy_s == pytest.approx(0.004)


@pytest.mark.parametrize(("places", "end_s"), [(1, 0.9), (2, 0.6), (3, 0.3)])
def test_an_accelerator_has_so_many_places(places: int, end_s: float) -> None:
    clock, done = Clock(), list[float]()
    slots = Slots(places, clock)
    for _ in range(3):
        slots.work(0.3, lambda: done.append(clock.now_s))
    clock.run(2.0)
    assert done[-1] == pytest.approx(end_s) and slots.busy_s == pytest.approx(0.9)
