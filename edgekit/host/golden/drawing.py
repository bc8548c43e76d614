"""Golden answers drawn into their pictures, so that a person can say yes to them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from edgekit.host.golden.changes import DetectionChange
from edgekit.imaging.image import no_picture
from edgekit.imaging.picture_file import read_picture_file
from edgekit.schema.detection import Detection
from edgekit.schema.recipe import TENSORS_SUFFIX

_AS_BEFORE = (255, 255, 255)
_NEW = (80, 220, 80)
_GONE = (60, 60, 255)
_MOVED = (0, 200, 255)
"""Blue, green, red."""
_OUTLINE = (0, 0, 0)
_READABLE_PX = 960
_MOST = 8
_CROSS_PX = 6
_FONT = cv2.FONT_HERSHEY_SIMPLEX


def draw(file: Path, found: Iterable[Detection], changed: Iterable[DetectionChange]) -> bytes:
    """A picture with what is found in it: white as before, green new, yellow moved, red gone.

    Args:
        file: the frame; of tensors a black picture is drawn upon.
        found: what is found in it now.
        changed: how that differs from the golden answers.

    Returns:
        A PNG, enlarged where the frame is too small to read.

    Raises:
        InputError: the frame is no picture.
    """
    tensors = file.suffix == TENSORS_SUFFIX  # nothing to see: what is found is written all the same
    pixels = (no_picture() if tensors else read_picture_file(file)).pixels
    scale = min(_MOST, max(1, -(-_READABLE_PX // pixels.shape[1])))
    enlarged = cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_NEAREST)
    canvas = np.asarray(enlarged, np.uint8)
    changes = list(changed)
    colours = {one.now: _NEW if one.change == "new" else _MOVED for one in changes if one.now is not None}
    for one in found:
        _mark(canvas, one, scale, colours.get(one, _AS_BEFORE))
    for gone in (change.before for change in changes if change.now is None):
        if gone is not None:
            _mark(canvas, gone, scale, _GONE)
    done, data = cv2.imencode(".png", canvas)
    assert done, "PNG takes any picture of 8 bit"
    return data.tobytes()


def _mark(canvas: npt.NDArray[np.uint8], one: Detection, scale: int, colour: tuple[int, int, int]) -> None:
    x, y = one.x_px * scale, one.y_px * scale
    half_width, half_height = one.width_px * scale / 2, one.height_px * scale / 2
    left, top = round(x - half_width), round(y - half_height)
    for paint, thick in ((_OUTLINE, 3), (colour, 1)):
        if half_width and half_height:
            cv2.rectangle(canvas, (left, top), (round(x + half_width), round(y + half_height)), paint, thick)
        else:
            cv2.drawMarker(canvas, (round(x), round(y)), paint, cv2.MARKER_CROSS, 2 * _CROSS_PX + 1, thick)
    text = f"{one.colour} {one.label} {one.score:.2f}".strip()
    (width, height), below = cv2.getTextSize(text, _FONT, 0.5, 1)
    down = height + below + 4 if colour == _GONE else -4  # not upon what is found in its place
    at_x = min(max(0, left + (0 if half_width else _CROSS_PX + 2)), max(0, canvas.shape[1] - width))
    at_y = min(max(height, top + down), canvas.shape[0] - below - 1)
    cv2.rectangle(canvas, (at_x - 1, at_y - height - 1), (at_x + width, at_y + below), _OUTLINE, cv2.FILLED)
    cv2.putText(canvas, text, (at_x, at_y), _FONT, 0.5, colour, 1, cv2.LINE_AA)
