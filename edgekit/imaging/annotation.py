"""Draws what was found into pictures: boxes with labels, lines, areas and words that can be read on any ground."""

from __future__ import annotations

import colorsys
import math
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import cv2
import numpy as np

from edgekit.imaging.image import Pixels
from edgekit.schema.detection import Detection

Paint: TypeAlias = tuple[int, int, int]
"""Blue, green, red."""
WHITE: Paint = (255, 255, 255)
BLACK: Paint = (16, 16, 16)
_HUES, _SATURATION, _LUMA = 24, 0.6, 165
"""Paints are made so light that dark words can be read on each of them."""
_FONT = cv2.FONT_HERSHEY_SIMPLEX
_SHADE = 0.35
_PAD_PX = 3
_FAR_PX = 20_000
_MOST_BOXES, _MOST_LABELS = 500, 100
"""A picture full of them shows nothing, and takes long."""
_MOST_LETTERS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """How a camera's picture lies in what is drawn on."""

    left_px: float = 0.0
    """Of the camera's picture: what lies at the drawn one's left edge."""
    top_px: float = 0.0
    across: float = 1.0
    """Drawn pixels for one of the camera's."""
    down: float = 1.0

    def point(self, x_px: float, y_px: float) -> tuple[int, int]:
        """Where a point of the camera's picture is drawn; far outside is far enough for OpenCV's numbers."""
        return _whole((x_px - self.left_px) * self.across), _whole((y_px - self.top_px) * self.down)


def _whole(pixels: float) -> int:
    """A recipe's own stage may find anything, also what is no number."""
    return round(min(max(pixels, -_FAR_PX), _FAR_PX)) if not math.isnan(pixels) else -_FAR_PX


def paint_of(label: str) -> Paint:
    """The same for each thing of this name, on every board."""
    hue = zlib.crc32(label.encode()) % _HUES / _HUES
    red, green, blue = (255 * part for part in colorsys.hsv_to_rgb(hue, _SATURATION, 1.0))
    luma = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    white = max(0.0, (_LUMA - luma) / (255 - luma))
    return (round(blue + white * (255 - blue)), round(green + white * (255 - green)), round(red + white * (255 - red)))


def label_of(found: Detection) -> str:
    """`#7 red disc 0.93`: track, colour, name, score."""
    track = f"#{found.track}" if found.track else ""
    return _plain(" ".join(word for word in (track, found.colour, found.label, f"{found.score:.2f}") if word))


def _plain(text: str) -> str:
    """Of a length that can be drawn, without what cannot."""
    return "".join(letter if letter.isprintable() else " " for letter in text[:_MOST_LETTERS])


class Canvas:
    """One picture that is drawn on."""

    def __init__(self, pixels: Pixels, placement: Placement) -> None:
        """Draw nothing yet.

        Args:
            pixels: uint8[height, width, 3], BGR; drawn on in place, and the caller's own.
            placement: how findings come to lie in it.
        """
        self.pixels, self._placement = pixels, placement
        self.height_px, self.width_px = pixels.shape[:2]
        self._size = min(0.9, max(0.4, self.width_px / 1280))
        self._thick = max(1, round(self.width_px / 480))
        self._arm_px = 5 * self._thick
        self._taken: list[tuple[int, int, int, int]] = []
        """Where words stand already: left, top, right, bottom."""

    @property
    def row_px(self) -> int:
        """What a line of words takes."""
        return self._extent("Ag")[1] + 2 * _PAD_PX

    def area(self, name: str, corners: Sequence[tuple[float, ...]]) -> None:
        """A zone: its edge and a shade of its paint, none of the whole picture. Its name is for `name`."""
        paint, points = paint_of(name), np.array([self._placement.point(*corner) for corner in corners], np.int32)
        right_px, bottom_px = self.width_px - 1, self.height_px - 1
        edges = [(0, 0), (right_px, 0), (right_px, bottom_px), (0, bottom_px)]
        if all(cv2.pointPolygonTest(points, edge, False) >= 0 for edge in edges):
            return  # its shade would tell nothing apart, and change every colour
        left, top, width, height = cv2.boundingRect(points)
        right, bottom = min(left + width, self.width_px), min(top + height, self.height_px)
        left, top = max(left, 0), max(top, 0)
        if right > left and bottom > top:
            part = self.pixels[top:bottom, left:right]
            shaded = part.copy()
            cv2.fillPoly(shaded, [points - np.array([left, top], np.int32)], paint)
            part[:] = cv2.addWeighted(shaded, 0.18, part, 0.82, 0)
        cv2.polylines(self.pixels, [points], True, paint, self._thick, cv2.LINE_AA)

    def line(self, name: str, start: tuple[float, ...], end: tuple[float, ...]) -> None:
        """A line that is crossed, and an arrow to the side where `in` leads: its right, seen from start to end."""
        paint, one, other = paint_of(name), self._placement.point(*start), self._placement.point(*end)
        cv2.line(self.pixels, one, other, BLACK, self._thick + 2, cv2.LINE_AA)
        cv2.line(self.pixels, one, other, paint, self._thick, cv2.LINE_AA)
        right, below = other[0] - one[0], other[1] - one[1]
        length = max(1.0, float(np.hypot(right, below)))
        middle = ((one[0] + other[0]) // 2, (one[1] + other[1]) // 2)
        reach = 14 * self._thick
        tip = (round(middle[0] - below / length * reach), round(middle[1] + right / length * reach))
        cv2.arrowedLine(self.pixels, middle, tip, BLACK, self._thick + 2, cv2.LINE_AA, tipLength=0.4)
        cv2.arrowedLine(self.pixels, middle, tip, paint, self._thick, cv2.LINE_AA, tipLength=0.4)

    def name(self, name: str, points: Iterable[tuple[float, ...]]) -> None:
        """The name of a zone or line, at one of these points of it."""
        self._label(_plain(name), [self._placement.point(*point) for point in points], paint_of(name))

    def boxes(self, found: Iterable[Detection]) -> None:
        """Boxes first, then all labels: none is drawn over. The surest first, for the best places."""
        things = sorted(found, key=lambda one: -one.score)
        for one in things[:_MOST_BOXES]:
            self._box(one)
        for one in things[:_MOST_LABELS]:
            left, top, right, bottom = self._edges(one)
            row, text = self.row_px, label_of(one)
            if not one.width_px:  # a point: beside its cross, which stays in sight
                left, right = left + self._arm_px, left - self._arm_px
            wide = self._extent(text)[0] + 2 * _PAD_PX
            places = [(left, top - row), (left, bottom), (left, top), (right - wide, top - row), (right, top)]
            self._label(text, places, paint_of(one.label))

    def words(self, rows: Iterable[str], corner: tuple[int, int], *, paint: Paint = WHITE) -> None:
        """Lines of words on a dark ground; `corner` is their left and top, or right and bottom where negative."""
        texts = [_plain(row) for row in rows if row]
        if not texts:
            return
        sizes = [self._extent(text) for text in texts]
        wide = max(width for width, _ in sizes) + 2 * _PAD_PX
        row = self.row_px
        left = corner[0] if corner[0] >= 0 else self.width_px + corner[0] - wide
        top = corner[1] if corner[1] >= 0 else self.height_px + corner[1] - row * len(texts)
        left, top = self._inside(left, top, wide, row * len(texts))
        part = self.pixels[top : top + row * len(texts), left : left + wide]
        part[:] = cv2.convertScaleAbs(part, alpha=_SHADE, beta=8)
        self._taken.append((left, top, left + wide, top + row * len(texts)))
        for index, text in enumerate(texts):
            self._text(text, left + _PAD_PX, top + row * (index + 1) - _PAD_PX - 2, paint)

    def dim(self) -> None:
        """What is seen is not now."""
        self.pixels[:] = cv2.convertScaleAbs(self.pixels, alpha=_SHADE)

    def heading(self, text: str, below: str, paint: Paint) -> None:
        """Large words in the middle, and a smaller line below them."""
        (width, height), _ = cv2.getTextSize(text, _FONT, 2 * self._size, 2)
        left, bottom = max(0, (self.width_px - width) // 2), self.height_px // 2
        self._text(text, left, bottom, paint, 2)
        fitting = self._fitting(below[:300], self.width_px - 4 * _PAD_PX)
        self._text(fitting, (self.width_px - self._extent(fitting)[0]) // 2, bottom + height + 2 * _PAD_PX, WHITE)

    def _box(self, one: Detection) -> None:
        paint = paint_of(one.label)
        if one.width_px and one.height_px:
            left, top, right, bottom = self._edges(one)
            cv2.rectangle(self.pixels, (left, top), (right, bottom), BLACK, self._thick + 2)
            cv2.rectangle(self.pixels, (left, top), (right, bottom), paint, self._thick)
            return
        at, arm = self._placement.point(one.x_px, one.y_px), 2 * self._arm_px
        cv2.drawMarker(self.pixels, at, BLACK, cv2.MARKER_CROSS, arm + 2, self._thick + 2)
        cv2.drawMarker(self.pixels, at, paint, cv2.MARKER_CROSS, arm, self._thick)

    def _edges(self, one: Detection) -> tuple[int, int, int, int]:
        half_width, half_height = one.width_px / 2, one.height_px / 2
        left, top = self._placement.point(one.x_px - half_width, one.y_px - half_height)
        right, bottom = self._placement.point(one.x_px + half_width, one.y_px + half_height)
        return left, top, right, bottom

    def _label(self, text: str, places: Iterable[tuple[int, int]], paint: Paint) -> None:
        """Words on their own paint, in the first place that is free, or the first there is."""
        width, height = self._extent(text)
        wide, row = width + 2 * _PAD_PX, height + 2 * _PAD_PX
        inside = [self._inside(left, top, wide, row) for left, top in places]
        free = [at for at in inside if not self._is_taken(*at, wide, row)]
        left, top = (free or inside)[0]
        cv2.rectangle(self.pixels, (left, top), (left + wide, top + row), paint, cv2.FILLED)
        self._taken.append((left, top, left + wide, top + row))
        self._text(text, left + _PAD_PX, top + row - _PAD_PX - 1, BLACK)

    def _is_taken(self, left: int, top: int, wide: int, high: int) -> bool:
        return any(
            left < taken[2] and taken[0] < left + wide and top < taken[3] and taken[1] < top + high
            for taken in self._taken
        )

    def _inside(self, left: int, top: int, wide: int, high: int) -> tuple[int, int]:
        return max(0, min(left, self.width_px - wide - 1)), max(0, min(top, self.height_px - high - 1))

    def _text(self, text: str, left: int, bottom: int, paint: Paint, scale: int = 1) -> None:
        cv2.putText(self.pixels, text, (left, bottom), _FONT, scale * self._size, paint, scale, cv2.LINE_AA)

    def _extent(self, text: str) -> tuple[int, int]:
        (width, height), _ = cv2.getTextSize(text, _FONT, self._size, 1)
        return width, height

    def _fitting(self, text: str, width_px: int) -> str:
        cut = text
        while len(cut) > 1 and self._extent(cut)[0] > width_px:
            cut = cut[: -max(1, len(cut) // 8)]
        return cut if cut == text else f"{cut[:-3]}..."
