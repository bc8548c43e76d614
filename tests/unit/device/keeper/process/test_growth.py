"""A slope is told with how far it can be trusted, and only what is certain is called growth."""

from __future__ import annotations

import numpy as np
import pytest

from edgekit.device.keeper.process.growth import growth


def walk(
    seconds: int, per_hour: float, noise: float = 0.0, alike: float = 0.0, seed: int = 0
) -> list[tuple[float, float]]:
    """A value each second that grows; its noise forgets itself slowly where `alike` is near 1."""
    random, wobble, made = np.random.default_rng(seed), 0.0, []
    for at_s in range(seconds):
        wobble = alike * wobble + float(random.normal(0, noise))
        made.append((float(at_s), 100 + per_hour * at_s / 3600 + wobble))
    return made


def test_only_the_last_half_counts() -> None:
    found = growth([(at_s, value if at_s >= 300 else 0.0) for at_s, value in walk(601, 2.0)])
    assert found.per_hour == pytest.approx(2.0) and found.bound == pytest.approx(0.0, abs=1e-6)
    assert (found.seconds, found.n) == (300.0, 301)
    assert (found.verdict(1.0), found.verdict(2.5)) == ("grows", "steady")


def test_a_short_noisy_run_says_nothing() -> None:
    found = growth(walk(60, 0.0, noise=0.1))
    assert found.verdict(1.0) == "too short to say" and found.bound > 1.0


@pytest.mark.parametrize("alike", [0.0, 0.9])
def test_the_true_slope_is_within_the_bound_as_often_as_it_says(alike: float) -> None:
    runs = [growth(walk(600, 3.0, noise=0.05, alike=alike, seed=seed)) for seed in range(200)]
    within = sum(abs(one.per_hour - 3.0) <= one.bound for one in runs)
    assert within >= 180, "95 % of 200, less what chance takes"


def test_few_samples_say_little() -> None:
    steps = [(0.0, 1.0), (1.0, 1.0), (2.0, 1.0), (3.0, 1.0)]
    assert growth(steps).verdict(1.0) == "too short to say" and growth(steps).n == 2
    runs = [growth(walk(9, 3.0, noise=0.05, seed=seed)) for seed in range(200)]
    assert sum(abs(one.per_hour - 3.0) <= one.bound for one in runs) >= 180
