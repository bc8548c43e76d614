"""What pictures look like whose colours were taken for others: wrong order, matrix or range, or chroma that moved."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from edgekit.imaging.image import Pixels
from edgekit.imaging.matrices import LUMA_WEIGHTS, yuv_to_rgb
from edgekit.schema.source import Matrix, Range


@dataclass(frozen=True, slots=True, kw_only=True)
class ColourMistake:
    """One way to take the colours of a stream for others."""

    name: str
    """Short, and good for a file's name: `matrix-601`."""
    words: str
    """What is wrong: `BT.601 taken for BT.709`."""
    matrix: Matrix
    """The stream's."""
    range: Range
    taken_matrix: Matrix
    """What it is taken for."""
    taken_range: Range
    swapped: bool = False
    """Red is taken for blue."""
    moved: bool = False
    """Chroma that lies with every other luma sample is taken for chroma between two: it moves by half a pixel."""

    def apply(self, rgb: Pixels) -> Pixels:
        """A picture that was converted wrong.

        Args:
            rgb: uint8[height, width, 3], RGB, converted right.

        Returns:
            A new array of the same form. It is as a camera's: made of 8-bit Y'CbCr, with chroma for each pixel.
        """
        if self.swapped:
            return np.ascontiguousarray(rgb[..., ::-1])
        right, wrong = (np.array(yuv_to_rgb(*each)) for each in self._pair)
        codes = np.rint((rgb - right[:, 3]) @ np.linalg.inv(right[:, :3]).T).clip(0, 255)
        if self.moved:
            codes[:, 1:, 1:] = (codes[:, :-1, 1:] + codes[:, 1:, 1:]) / 2
        made: Pixels = np.rint((codes @ wrong[:, :3].T + wrong[:, 3]).clip(0, 255)).astype(np.uint8)
        return made

    @property
    def _pair(self) -> tuple[tuple[Matrix, Range], tuple[Matrix, Range]]:
        return (self.matrix, self.range), (self.taken_matrix, self.taken_range)


def mistakes_with(matrix: Matrix, range_: Range) -> tuple[ColourMistake, ...]:
    """Every mistake that can be made with a stream of this matrix and range."""
    return tuple(_mistakes(matrix, range_))


def _mistakes(matrix: Matrix, range_: Range) -> Iterator[ColourMistake]:
    right = {"matrix": matrix, "range": range_, "taken_matrix": matrix, "taken_range": range_}
    yield ColourMistake(name="order", words="RGB taken for BGR", swapped=True, **right)  # type: ignore[arg-type]
    for other in LUMA_WEIGHTS:
        if other != matrix:
            words = f"BT.{matrix} taken for BT.{other}"
            taken = {**right, "taken_matrix": other}
            yield ColourMistake(name=f"matrix-{other}", words=words, **taken)  # type: ignore[arg-type]
    wrong: Range = "full" if range_ == "limited" else "limited"
    taken = {**right, "taken_range": wrong}
    yield ColourMistake(name=f"range-{wrong}", words=f"{range_} range taken for {wrong}", **taken)  # type: ignore[arg-type]
    yield ColourMistake(name="siting", words="chroma on the left taken for the middle", moved=True, **right)  # type: ignore[arg-type]
