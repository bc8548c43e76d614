"""Where boxes are expected next: constant velocity, one small Kalman filter for each number of a box."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Boxes = npt.NDArray[np.float64]
"""float64[n, 4]: centre x, centre y, width, height, in the source's pixels."""

_PLACE, _SPEED = 1 / 20, 1 / 160
"""Standard deviations of a box's numbers and of their change per frame, in box heights. Source: ByteTrack,
yolox/tracker/kalman_filter.py, which has them from DeepSORT."""


class BoxMotion:
    """All tracks' boxes, in the order in which they were added. A row is a track."""

    def __init__(self) -> None:
        self.place: Boxes = np.zeros((0, 4))
        """Where the boxes are expected now."""
        self._speed: Boxes = np.zeros((0, 4))
        self._variance: npt.NDArray[np.float64] = np.zeros((3, 0, 4))
        """Of place, of place with speed, and of speed."""

    def __len__(self) -> int:
        return len(self.place)

    def add(self, boxes: Boxes) -> None:
        """Follow further boxes, which stand still as far as is known."""
        height = np.repeat(boxes[:, 3:], 4, axis=1)
        variance = np.stack([(2 * _PLACE * height) ** 2, np.zeros_like(height), (10 * _SPEED * height) ** 2])
        self.place = np.concatenate([self.place, boxes])
        self._speed = np.concatenate([self._speed, np.zeros_like(boxes)])
        self._variance = np.concatenate([self._variance, variance], axis=1)

    def keep(self, rows: npt.NDArray[np.bool_]) -> None:
        """Forget all other rows."""
        self.place, self._speed, self._variance = self.place[rows], self._speed[rows], self._variance[:, rows]

    def advance(self, frames: int) -> None:
        """Expect the boxes so many frames later."""
        height = np.maximum(self.place[:, 3:], 1.0)
        place, both, speed = self._variance
        self.place = self.place + frames * self._speed
        self.place[:, 2:] = np.maximum(self.place[:, 2:], 1.0)
        self._variance = np.stack(
            [
                place + 2 * frames * both + frames**2 * speed + frames * (_PLACE * height) ** 2,
                both + frames * speed,
                speed + frames * (_SPEED * height) ** 2,
            ]
        )

    def correct(self, rows: npt.NDArray[np.intp], boxes: Boxes) -> None:
        """These rows were seen there."""
        place, both, speed = self._variance[:, rows]
        trusted = place / (place + (_PLACE * boxes[:, 3:]) ** 2)
        gain = both / (place + (_PLACE * boxes[:, 3:]) ** 2)
        off = boxes - self.place[rows]
        self.place[rows] += trusted * off
        self._speed[rows] += gain * off
        self._variance[:, rows] = np.stack([place * (1 - trusted), both * (1 - trusted), speed - gain * both])


def overlaps(one: Boxes, other: Boxes) -> npt.NDArray[np.float64]:
    """Intersection over union of each box with each: float64[len(one), len(other)]; 0 where a box has no size."""
    low = np.maximum((one[:, :2] - one[:, 2:] / 2)[:, None], (other[:, :2] - other[:, 2:] / 2)[None])
    high = np.minimum((one[:, :2] + one[:, 2:] / 2)[:, None], (other[:, :2] + other[:, 2:] / 2)[None])
    common = np.maximum(high - low, 0.0).prod(axis=2)
    union = one[:, 2:].prod(axis=1)[:, None] + other[:, 2:].prod(axis=1)[None] - common
    return np.asarray(np.divide(common, union, out=np.zeros_like(common), where=union > 0))
