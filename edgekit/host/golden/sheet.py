"""Several annotated pictures on one sheet, each with a line above it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from edgekit.errors import InputError
from edgekit.host.golden.changes import DetectionChange
from edgekit.host.golden.drawing import draw
from edgekit.schema.detection import Detection

SUFFIXES = (".png", ".jpg", ".webp")
_QUALITY = (cv2.IMWRITE_JPEG_QUALITY, 80, cv2.IMWRITE_WEBP_QUALITY, 80)
_WIDTH_PX, _LINE_PX, _COLUMNS = 640, 26, 2
_PAPER, _INK = (250, 250, 250), (30, 30, 30)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """One picture of a sheet."""

    caption: str
    file: Path
    found: tuple[Detection, ...]
    changes: tuple[DetectionChange, ...] = ()


def check_sheet_name(file: Path) -> None:
    """Raise InputError where no picture can be written under a name like this."""
    if file.suffix.lower() not in SUFFIXES:
        raise InputError(f"{file} names no kind of picture", hint=f"end it with {', '.join(SUFFIXES)}")


def draw_sheet(tiles: Sequence[Tile], suffix: str) -> bytes:
    """Draw pictures beside and below each other, in their order.

    Args:
        tiles: of one size.
        suffix: of `SUFFIXES`.

    Returns:
        The file's content.

    Raises:
        InputError: one is no picture.
    """
    drawn = [_draw(tile) for tile in tiles]
    blank = np.full_like(drawn[0], 250)
    drawn += [blank] * (-len(drawn) % _COLUMNS)
    rows = [np.hstack(drawn[first : first + _COLUMNS]) for first in range(0, len(drawn), _COLUMNS)]
    done, data = cv2.imencode(suffix, np.vstack(rows), _QUALITY)
    assert done, "each kind takes any picture of 8 bit"
    return data.tobytes()


def _draw(tile: Tile) -> npt.NDArray[np.uint8]:
    pixels = cv2.imdecode(np.frombuffer(draw(tile.file, tile.found, tile.changes), np.uint8), cv2.IMREAD_COLOR)
    assert pixels is not None, "drawn just now"
    height = round(pixels.shape[0] * _WIDTH_PX / pixels.shape[1])
    canvas = np.full((height + _LINE_PX, _WIDTH_PX, 3), _PAPER, np.uint8)
    canvas[_LINE_PX:] = cv2.resize(pixels, (_WIDTH_PX, height), interpolation=cv2.INTER_AREA)
    cv2.putText(canvas, tile.caption, (8, 18), cv2.FONT_HERSHEY_SIMPLEX, 0.5, _INK, 1, cv2.LINE_AA)
    return canvas
