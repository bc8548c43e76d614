from __future__ import annotations

import itertools

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from edgekit.device.runtime.stages.assignment import assign


def best(costs: np.ndarray, limit: float) -> tuple[int, float]:
    """By trying everything: as many pairs as can be, at the least cost."""
    rows, columns = costs.shape
    for count in range(min(rows, columns), 0, -1):
        sums = [
            sum(costs[row, column] for row, column in zip(chosen, order, strict=True))
            for chosen in itertools.combinations(range(rows), count)
            for order in itertools.permutations(range(columns), count)
            if all(costs[row, column] <= limit for row, column in zip(chosen, order, strict=True))
        ]
        if sums:
            return count, min(sums)
    return 0, 0.0


@settings(deadline=None, max_examples=200)
@given(st.integers(1, 5), st.integers(1, 5), st.integers(0, 2**32 - 1), st.sampled_from([0.25, 0.5, 1.0]))
def test_as_many_pairs_as_can_be_at_the_least_cost(rows: int, columns: int, seed: int, limit: float) -> None:
    costs = np.random.default_rng(seed).integers(0, 9, (rows, columns)) / 8
    pairs = assign(costs, limit)
    assert len({row for row, _ in pairs}) == len({column for _, column in pairs}) == len(pairs)
    assert all(costs[pair] <= limit for pair in pairs)
    assert (len(pairs), sum(costs[pair] for pair in pairs)) == best(costs, limit)
    assert list(pairs) == sorted(pairs)


def test_nothing_has_no_pairs() -> None:
    assert assign(np.zeros((0, 3)), 1.0) == assign(np.zeros((3, 0)), 1.0) == ()
