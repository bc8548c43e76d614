"""Y'CbCr to R'G'B', derived from the two numbers that define each standard."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TypeAlias

from edgekit.schema.source import Matrix, Range

Rows: TypeAlias = tuple[tuple[float, float, float, float], ...]

LUMA_WEIGHTS: Mapping[Matrix, tuple[float, float]] = MappingProxyType(
    {"601": (0.299, 0.114), "709": (0.2126, 0.0722), "2020": (0.2627, 0.0593)}
)
"""Kr and Kb. Source: ITU-R BT.601-7, 2.5.1; BT.709-6, 3.2; BT.2020-2, table 4 (non-constant luminance)."""

_LIMITED = (219.0, 16.0, 224.0)
_FULL = (255.0, 0.0, 255.0)
"""Luma's excursion and offset, chroma's excursion, for 8 bit. Source: ITU-T H.273 (2021), 8.3, equations 26 to 31."""


def yuv_to_rgb(matrix: Matrix, range_: Range) -> Rows:
    """Rows of a 3x4 matrix: `(R, G, B) = rows @ (Y, Cb, Cr, 1)`, 8-bit codes in, 0..255 full range out.

    Source: ITU-T H.273 (2021), 8.3, equations 38 to 40 solved for R, G and B.
    """
    kr, kb = LUMA_WEIGHTS[matrix]
    kg = 1 - kr - kb
    luma_excursion, luma_offset, chroma_excursion = _LIMITED if range_ == "limited" else _FULL
    luma, chroma = 255 / luma_excursion, 255 / chroma_excursion
    rows = []
    for cb, cr in (
        (0.0, 2 * (1 - kr)),
        (-2 * kb * (1 - kb) / kg, -2 * kr * (1 - kr) / kg),
        (2 * (1 - kb), 0.0),
    ):
        cb_gain, cr_gain = cb * chroma, cr * chroma
        rows.append((luma, cb_gain, cr_gain, -luma * luma_offset - 128 * (cb_gain + cr_gain)))
    return tuple(rows)


def limited_to_full() -> tuple[float, float]:
    """Factor and offset that make 0..255 of R', G', B' or grey of limited range.

    Source: ITU-T H.273 (2021), 8.3, equations 26 to 28.
    """
    excursion, offset, _ = _LIMITED
    return 255 / excursion, -255 / excursion * offset
