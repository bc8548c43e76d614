"""What a sleeping thread takes to begin is told from what a frame waits behind others, and for a CPU."""

from __future__ import annotations

import pytest

from edgekit.device.runtime.profiling.handoffs import Handoff, seen
from edgekit.device.runtime.profiling.samples import Sample


def call(began_s: float, wall_s: float, *, before_s: float = 0.0, beside: bool = False) -> Sample:
    return Sample(wall_s, wall_s, 0.0, began_s=began_s, before_s=before_s, beside=beside)


def took(ended_s: list[float], *calls: tuple[str, Sample]) -> list[Handoff]:
    return [Handoff(round(one.took_s, 6), one.met) for one in seen(ended_s, calls, "scale")]


def test_it_is_the_time_from_the_end_of_the_step_before() -> None:
    calls = ("scale", call(1.0, 0.1)), ("see", call(1.1, 0.2)), ("scale", call(2.002, 0.1, beside=True))
    assert took([0.999, 2.0], *calls) == [Handoff(0.002, met=True)], "of the first nobody knows whether it slept"


def test_what_it_waited_for_a_cpu_is_not_in_it() -> None:
    calls = ("scale", call(1.0, 0.1)), ("scale", call(2.005, 0.1, before_s=0.004))
    assert took([2.0], *calls) == [Handoff(0.001, met=False)]
    calls = ("scale", call(1.0, 0.1)), ("scale", call(2.005, 0.1, before_s=0.1))
    assert took([2.0], *calls) == [Handoff(0.0, met=False)], "some of that was before"


@pytest.mark.parametrize("ended_s", [[], [0.9], [1.05], [2.5]])
def test_a_frame_that_stood_in_line_tells_nothing(ended_s: list[float]) -> None:
    calls = ("scale", call(1.0, 0.1)), ("scale", call(1.1, 0.1))
    assert took(ended_s, *calls) == []


def test_a_step_within_a_lane_is_no_handoff() -> None:
    calls = ("scale", call(1.0, 0.1)), ("see", call(1.3, 0.2)), ("sink", call(1.6, 0.2))
    assert took([1.2, 1.55], *calls) == []
