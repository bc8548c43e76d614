"""When a camera delivered a frame, on the board's clock, from the frame's own timestamp."""

from __future__ import annotations

_DRIFT = 5e-4
"""How much faster or slower a camera's clock may go: ten times what its quartz does."""
_JUMP_S = 5.0


class CameraClock:
    """Turns timestamps into times of the board.

    A packet that waited in a buffer arrives late by that: the earliest arrivals show how the two clocks lie to each
    other, and every frame's time follows from its timestamp, however busy the board was when it came.
    """

    def __init__(self) -> None:
        self._offset_s: float | None = None
        self._stamp_s = 0.0

    def at(self, stamp_s: float | None, arrived_s: float) -> float:
        """A frame's time; never after its arrival."""
        if stamp_s is None:
            return arrived_s
        offset_s, passed_s = arrived_s - stamp_s, stamp_s - self._stamp_s
        self._stamp_s = stamp_s
        if self._offset_s is None or not 0 <= passed_s <= _JUMP_S:
            self._offset_s = offset_s  # the first, or the camera has set its clock
        else:
            self._offset_s = min(offset_s, self._offset_s + _DRIFT * passed_s)
        return stamp_s + self._offset_s
