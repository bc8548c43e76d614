"""A conversion by the words of `Conversion` and `PlaneSampling` alone, in numpy: what a kernel computes."""

from __future__ import annotations

import numpy as np

from edgekit.imaging.image import RgbImage, Yuv420Image
from edgekit.imaging.planning import Conversion
from edgekit.imaging.sampling import PlaneSampling


def tensor_of(image: Yuv420Image | RgbImage, plan: Conversion):
    """The tensor of one picture, without the batch."""
    contract, fit = plan.contract, plan.fit
    if isinstance(image, Yuv420Image):
        planes = [sample(image.y, plan.luma), *(sample(plane, plan.chroma) for plane in (image.u, image.v))]
        rows = np.array(plan.matrix)
        exact = np.tensordot(rows[:, :3], np.stack(planes).astype(np.float64), 1) + rows[:, 3, None, None]
    else:
        first = {"RGB": (0, 1, 2), "BGR": (2, 1, 0), "RGBA": (0, 1, 2), "GRAY": (0, 0, 0)}[image.order]
        pixels = np.atleast_3d(image.pixels)
        factor, offset = plan.expand
        exact = np.stack([sample(pixels[..., one], plan.luma) for one in first]) * factor + offset
    levels = np.rint(exact.clip(0, 255)).astype(np.int64)
    if plan.channels:
        levels = levels[list(plan.channels)]
    else:
        red, green, blue = levels
        levels = ((9798 * red + 19235 * green + 3735 * blue + 16384) >> 15)[None]
    values = np.stack([one * gain + offset for one, gain, offset in zip(levels, plan.gains, plan.offsets, strict=True)])
    if contract.dtype != "float32":
        limits = np.iinfo(contract.dtype)
        values = np.rint(values).clip(limits.min, limits.max)
    whole = np.empty((contract.channels, contract.height_px, contract.width_px), contract.dtype)
    whole[:] = np.array(plan.bars)[:, None, None]
    whole[:, fit.top_px : fit.top_px + fit.height_px, fit.left_px : fit.left_px + fit.width_px] = values
    return whole if contract.layout == "NCHW" else whole.transpose(1, 2, 0)


def sample(plane, plan: PlaneSampling):
    """One plane at the size of the picture in the input."""
    part = plan.part
    if plan.kind == "point":
        columns = (part.left + np.arange(part.out_width) * plan.step_x + plan.step_x // 2) >> plan.shift
        rows = (part.top + np.arange(part.out_height) * plan.step_y + plan.step_y // 2) >> plan.shift
        return plane[np.ix_(rows, columns)]
    cut = plane[part.top : part.top + part.height, part.left : part.left + part.width].astype(np.int64)
    if plan.kind == "mean":
        return (cut.reshape(part.out_height, 2, part.out_width, 2).sum((1, 3)) + 2) >> 2
    assert plan.kind == "linear", "area is left to the portable executor"
    return linear(cut, plan)


def linear(cut, plan: PlaneSampling):
    """Fixed point with 8 bits for each direction, rounded once."""
    part = plan.part
    cut = cut.astype(np.int64)
    left, right, w1 = _places(part.width, part.out_width)
    sums = cut[:, left] * (256 - w1) + cut[:, right] * w1
    top, bottom, v1 = _places(part.height, part.out_height)
    return (sums[top] * (256 - v1)[:, None] + sums[bottom] * v1[:, None] + 0x8000) >> 16


def _places(size, out):
    place = (np.arange(out) + 0.5) * size / out - 0.5
    first = np.floor(place)
    w1 = np.rint((place - first) * 256).astype(np.int64)
    first = first.astype(np.int64)
    return np.clip(first, 0, size - 1), np.clip(first + 1, 0, size - 1), w1
