"""Cells of a detector's grids, and boxes by their distances from them."""

from __future__ import annotations

import numpy as np

from edgekit.device.runtime.heads.candidates import Floats, softmax
from edgekit.device.runtime.heads.setup import HeadSetup
from edgekit.schema.heads.grids import strides_for


def grid_points(setup: HeadSetup, count: int, output: Floats, *, offset: float) -> tuple[Floats, Floats]:
    """Where the cells of a list lie, finest grid first, row by row.

    Args:
        setup: has the input's size.
        count: cells of all grids together.
        output: the list, for messages.
        offset: where in a cell its point lies, in cells.

    Returns:
        Points [count, 2] and strides [count], in pixels of the input.

    Raises:
        InputError: no grids have so many cells.
    """
    strides = strides_for(count, setup.width_px, setup.height_px)
    if not strides:
        raise setup.wrong(0, output, f"a cell of grids over {setup.width_px}x{setup.height_px} pixels for each box")
    grids = [cells(-(-setup.width_px // stride), -(-setup.height_px // stride), offset) * stride for stride in strides]
    return np.concatenate(grids), np.repeat(np.array(strides, np.float32), [len(grid) for grid in grids])


def cells(columns: int, rows: int, offset: float) -> Floats:
    """Points [rows * columns, 2] of a grid, x and y in cells, row by row."""
    x, y = np.meshgrid(np.arange(columns, dtype=np.float32), np.arange(rows, dtype=np.float32))
    points: Floats = np.stack([x.reshape(-1), y.reshape(-1)], axis=1) + np.float32(offset)
    return points


def distance_boxes(distances: Floats, points: Floats, strides: Floats) -> Floats:
    """Boxes [n, 4] of distances to the left, up, right and down of points.

    Args:
        distances: [n, 4] in cells, or [n, 4 * bins]: a distribution over bins for each, as logits.
        points: [n, 2] in pixels.
        strides: [n], pixels of a cell.
    """
    if distances.shape[1] > 4:
        shares = softmax(distances.reshape(len(distances), 4, distances.shape[1] // 4), axis=2)
        distances = np.asarray(shares @ np.arange(shares.shape[2], dtype=np.float32), np.float32)
    away = distances * strides[:, None]
    return np.concatenate([points - away[:, :2], points + away[:, 2:]], axis=1)
