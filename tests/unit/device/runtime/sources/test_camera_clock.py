"""When a camera delivered a frame, however late the board came to it."""

from __future__ import annotations

import numpy as np
import pytest

from edgekit.device.runtime.sources.camera_clock import CameraClock


def test_a_frame_that_waited_is_as_old_as_it_is() -> None:
    clock = CameraClock()
    assert [
        clock.at(stamp, arrived) for stamp, arrived in ((0.0, 100.0), (0.1, 100.1), (0.2, 100.9), (0.3, 101.5))
    ] == [
        100.0,
        100.1,
        100.2 + 5e-5,
        100.3 + 10e-5,
    ]


def test_it_follows_a_clock_that_goes_wrong_slowly() -> None:
    random = np.random.default_rng(3)
    clock, worst = CameraClock(), 0.0
    for number in range(36_000):  # an hour at 10 a second, 200 ppm too fast and too slow
        true_s = number / 10
        stamp_s = true_s * (1 + (2e-4 if number < 18_000 else -2e-4))
        if number == 18_000:
            clock = CameraClock()
        found = clock.at(stamp_s, true_s + float(random.exponential(0.01)))
        worst = max(worst, abs(found - true_s)) if number % 18_000 > 100 else worst
    assert worst < 0.06, "not the 0.72 s that the clock is off by in the end"


def test_no_frame_is_younger_than_its_arrival() -> None:
    clock = CameraClock()
    for stamp, arrived in ((0.0, 10.0), (1.0, 10.9), (2.0, 11.95), (3.0, 12.0)):
        assert clock.at(stamp, arrived) <= arrived + 1e-9


def test_a_camera_that_sets_its_clock_begins_anew() -> None:
    clock = CameraClock()
    clock.at(0.0, 100.0)
    assert clock.at(5000.0, 100.1) == pytest.approx(100.1)
    assert clock.at(3.0, 100.2) == pytest.approx(100.2)
    assert clock.at(None, 100.3) == 100.3, "and without a timestamp its arrival is all there is"
