"""How many cells a detector's grids have. Pure."""

from __future__ import annotations

_STRIDES = (4, 8, 16, 32, 64, 128)


def strides_for(count: int, width_px: int, height_px: int, boxes: int = 1) -> tuple[int, ...]:
    """The strides of grids that have so many cells together over an input, each twice the one before; none: ().

    Args:
        count: candidates of a list.
        width_px: of the model's input.
        height_px: of it.
        boxes: candidates of one cell.
    """
    for first in range(len(_STRIDES)):
        left = count
        for last in range(first, len(_STRIDES)):
            stride = _STRIDES[last]
            left -= boxes * -(-width_px // stride) * -(-height_px // stride)
            if left <= 0:
                if left == 0 and last > first:
                    return _STRIDES[first : last + 1]
                break
    return ()
