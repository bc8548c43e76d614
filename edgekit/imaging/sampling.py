"""Which samples of a plane become a pixel of the model's input. Pure: every executor of a conversion goes by it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

SamplingKind = Literal["point", "mean", "linear", "area"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A part of a plane, and the size that it is brought to, all in samples."""

    left: int = 0
    top: int = 0
    width: int
    height: int
    out_width: int
    out_height: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaneSampling:
    """How a part of one plane is brought to the size of the picture in the model's input.

    What becomes output pixel (column c, row r), written for columns; rows are the same where nothing is said:

    - `point`: the sample at column `(left + c * step_x + step_x // 2) >> shift`, and no arithmetic.
    - `mean`: `(a + b + c + d + 2) >> 2` of the four samples at columns `left + 2 * c` and the next one.
    - `linear`: OpenCV's INTER_LINEAR_EXACT to the last bit, which is the same on every CPU. Position
      `x = (c + 0.5) * width / out_width - 0.5`, `i = floor(x)`, weights `w1 = rint((x - i) * 256)`, `w0 = 256 - w1`;
      rint to the nearest even. Indices i and i + 1 count from the part's first sample and are clipped to the part.
      Both directions are summed exactly and rounded once: `(sum + 0x8000) >> 16`.
    - `area`: the mean over the pixel's area, samples at its edge by the share that lies in it, rounded to the nearest.
      An executor may leave it to the portable one.

    The result has 8 bits: it is rounded here, before any colour is computed.
    """

    kind: SamplingKind
    part: Part
    """What is read; where `shift` is 1, in luma samples."""
    step_x: int = 1
    """Of `point`: how many samples become one."""
    step_y: int = 1
    shift: int = 0
    """1: of the plane's samples there are half as many as of luma, and the one that lies beside luma's is taken."""


def sample_luma(part: Part, *, area: bool) -> PlaneSampling:
    """How luma, or pixels of interleaved channels, are sampled.

    At odd ratios bilinear interpolation falls on samples, at 2:1 it is the mean of four: the same pixels, cheaper.
    """
    step_x, step_y = _ratio(part.width, part.out_width), _ratio(part.height, part.out_height)
    if (step_x, step_y) == (1, 1) or (step_x % 2 and step_y % 2 and not area):
        return PlaneSampling(kind="point", part=part, step_x=step_x, step_y=step_y)
    if (step_x, step_y) == (2, 2):
        return PlaneSampling(kind="mean", part=part)
    smaller = part.width >= part.out_width and part.height >= part.out_height
    return PlaneSampling(kind="area" if area and smaller else "linear", part=part)


def sample_chroma(luma: PlaneSampling, *, area: bool) -> PlaneSampling:
    """How planes of half the size are sampled that belong to luma which is sampled so.

    Where luma is taken as it is, or as a mean of four, chroma is the nearest one, as in OpenCV's cvtColor: whichever of
    the usual sitings it has, no other is nearer. Elsewhere it is sampled as if it lay in the middle of its four luma
    samples; sited left it is off by half a luma sample of the source.
    """
    part = luma.part
    if luma.kind in ("point", "mean"):
        step_x, step_y = (luma.step_x, luma.step_y) if luma.kind == "point" else (2, 2)
        return PlaneSampling(kind="point", part=part, step_x=step_x, step_y=step_y, shift=1)
    half = Part(
        left=part.left // 2,
        top=part.top // 2,
        width=(part.width + 1) // 2,
        height=(part.height + 1) // 2,
        out_width=part.out_width,
        out_height=part.out_height,
    )
    return sample_luma(half, area=area)


def _ratio(size: int, out: int) -> int:
    """How many samples become one, if that is a whole number; else 0."""
    return size // out if size % out == 0 else 0
