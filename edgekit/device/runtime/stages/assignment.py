"""Brings two sets together, one to one, so that the sum of costs is least."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Costs = npt.NDArray[np.float64]


def assign(costs: Costs, limit: float) -> tuple[tuple[int, int], ...]:
    """Pair rows with columns: as many as can be for no more than `limit` each, at the least cost in all.

    Args:
        costs: float64[rows, columns], finite and not negative.
        limit: what costs more is no pair.

    Returns:
        (row, column), in the rows' order.

    Source: H. W. Kuhn, The Hungarian Method, 1955, with shortest augmenting paths (Jonker and Volgenant, 1987); n rows
    and columns take n * n * n steps, of which the innermost n are one of numpy's.
    """
    rows, columns = costs.shape
    if not rows or not columns:
        return ()
    if rows > columns:
        return tuple(sorted((row, column) for column, row in assign(costs.T, limit)))
    forbidden = (limit + 1) * (rows + 1)  # dearer than all pairs together: never taken where another way is left
    matched = _columns_of(np.where(costs > limit, forbidden, costs))
    return tuple((row, column) for row, column in enumerate(matched) if costs[row, column] <= limit)


def _columns_of(costs: Costs) -> list[int]:
    """For each row its column; there are at least as many columns as rows."""
    rows, columns = costs.shape
    row_price, column_price = np.zeros(rows), np.zeros(columns)
    owner = np.full(columns, -1)
    for start in range(rows):
        least, way = np.full(columns, np.inf), np.full(columns, -1)
        visited = np.zeros(columns, bool)
        row, column, reached = start, -1, 0.0
        while row >= 0:
            through = reached + costs[row] - row_price[row] - column_price
            better = ~visited & (through < least)
            least[better], way[better] = through[better], column
            column = int(np.where(visited, np.inf, least).argmin())
            reached, visited[column] = float(least[column]), True
            row = int(owner[column])
        passed = visited & (least < reached)  # the last column has no price to lose
        row_price[owner[passed]] += reached - least[passed]
        column_price[passed] -= reached - least[passed]
        row_price[start] += reached
        while column >= 0:  # give each row on the way the next one's column
            before = int(way[column])
            owner[column] = start if before < 0 else owner[before]
            column = before
    found = [-1] * rows
    for column, row in enumerate(owner):
        if row >= 0:
            found[row] = column
    return found
