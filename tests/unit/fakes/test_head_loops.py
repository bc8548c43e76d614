"""The loops that heads are held against, by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tests.fakes import head_loops


def test_by_hand() -> None:
    column = np.array([[10, 20, 4, 8, 0.1, 0.7, 0.2]], np.float32).T
    assert list(head_loops.yolov8([column])) == [(pytest.approx(0.7), 1, (8, 16, 12, 24))]
    (found,) = head_loops.yolov5([np.array([[10, 20, 4, 8, 0.5, 0.1, 0.2, 0.6]])])
    assert found == (pytest.approx(0.3), 2, (8, 16, 12, 24))
    rows = np.zeros((84, 8))
    rows[9] = [0.5, 0.25, math.log(2), 0, 1, 0, 0, 0.5]  # second row, second column of the finest grid
    assert list(head_loops.yolox([rows]))[9] == (0.5, 2, (pytest.approx(4), 6, pytest.approx(20), 14))
    assert head_loops.away([0, 1, 2, 3], 1) == [0, 1, 2, 3]
    assert head_loops.away([9.0, 9.0] * 4, 2) == [0.5] * 4
    assert sum(1 for _ in head_loops.cells_of((8, 16, 32))) == 84


def test_overlap_and_what_is_kept() -> None:
    one, other = (0.0, 0.0, 10.0, 10.0), (5.0, 0.0, 15.0, 10.0)
    assert head_loops.iou(one, other) == pytest.approx(1 / 3)
    found = [(0.5, 0, other), (0.9, 0, one), (0.4, 1, one), (0.1, 0, one)]
    assert head_loops.kept(iter(found), 0.2, 0.3) == [found[1], found[2]]
    assert head_loops.kept(iter(found), 0.2, None) == [found[1], found[0], found[2]]
