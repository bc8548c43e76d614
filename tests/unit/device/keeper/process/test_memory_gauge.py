"""A worker is told of its memory when it is tight, until it has everything back, and otherwise never."""

from __future__ import annotations

from dataclasses import replace

import pytest

from edgekit.device.keeper.process.memory_gauge import Gauge, Thresholds, thresholds_of
from edgekit.schema.pressure import Pressure
from tests.fakes.releases import make_plan

MIB = 1 << 20
LIMITS = Thresholds(begin=85, end=75, limit=100)


def told(gauge: Gauge, used: int, begin_s: float, seconds: float, *, degraded: bool = False) -> tuple[Gauge, int]:
    """How often it is told with this use, looked at ten times a second."""
    count = 0
    for number in range(round(seconds * 10)):
        gauge, reading = gauge.see(used, stalled=False, degraded=degraded, now_s=begin_s + number / 10)
        count += reading is not None
    return gauge, count


def test_one_in_no_trouble_is_told_nothing() -> None:
    gauge, count = told(Gauge(thresholds=LIMITS), 84, 0.0, 100.0)
    assert count == 0 and not gauge.wants_exact(84, stalled=False, degraded=False, now_s=100.0)


def test_one_that_is_tight_is_told_at_each_look_and_less_often_afterwards() -> None:
    gauge, count = told(Gauge(thresholds=LIMITS), 90, 0.0, 2.0)
    assert count == 20
    gauge, count = told(gauge, 50, 2.0, 10.0)
    assert 30 <= count <= 40
    gauge, _ = told(gauge, 50, 12.0, 60.0)
    _, count = told(gauge, 50, 80.0, 10.0)
    assert count == 0, "it has everything back"


def test_one_that_reports_that_it_does_without_something_goes_on_hearing() -> None:
    gauge, _ = told(Gauge(thresholds=LIMITS), 90, 0.0, 1.0)
    gauge, _ = told(gauge, 50, 1.0, 300.0, degraded=True)
    _, count = told(gauge, 50, 301.0, 1.0, degraded=True)
    assert count >= 3
    assert gauge.wants_exact(50, stalled=False, degraded=True, now_s=301.0)


def test_a_stall_is_told_whatever_is_used() -> None:
    _, reading = Gauge(thresholds=LIMITS).see(5, stalled=True, degraded=False, now_s=0.0)
    assert reading is not None and reading.stalled and (reading.used_bytes, reading.limit_bytes) == (5, 100)


@pytest.mark.parametrize(
    ("high", "order", "expected"),
    [
        (0, ("clips",), Thresholds(begin=int(64 * MIB * 0.85), end=48 * MIB, limit=64 * MIB)),
        (60 * MIB, ("clips",), Thresholds(begin=int(60 * MIB * 0.85), end=45 * MIB, limit=64 * MIB)),
        (0, (), None),
        (0, None, None),
    ],
)
def test_thresholds_lie_below_the_brake(high: int, order: tuple[str, ...] | None, expected: Thresholds | None) -> None:
    plan = make_plan()
    limits = replace(plan.limits, memory_max=64 * MIB, memory_high=high)
    pressure = Pressure(order=order)  # type: ignore[arg-type]
    assert thresholds_of(replace(plan, limits=limits, pressure=pressure)) == expected


def test_without_a_limit_nothing_is_tight() -> None:
    plan = make_plan()
    limits = replace(plan.limits, memory_max=0)
    assert thresholds_of(replace(plan, limits=limits, pressure=Pressure(order=("clips",)))) is None
