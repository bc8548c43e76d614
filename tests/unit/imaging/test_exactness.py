"""Every matrix, range and format to RGB and BGR, pixel by pixel, against colours in float64 of the same sampling.

A plan says to the last bit which 8-bit samples its colours are computed from (`PlaneSampling`): of those no level of
R, G or B is off by more than two. Interpolated in float64 too, samples that are never rounded, it is three.
"""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from edgekit.imaging.conversion import Converter, plan_conversion
from edgekit.imaging.image import RgbImage
from edgekit.schema.recipe import ColourContract
from tests.unit.imaging.as_documented import linear, sample
from tests.unit.imaging.exact import (
    COLOURS,
    FORMATS,
    bilinear,
    exact_rgb,
    frame_of,
    image_in,
    mean_over,
    nearest,
    pixels_in,
)

SIZE = (72, 48)
SHAPES = {
    "1:1": (SIZE, "linear", "point"),
    "3:1": ((24, 16), "linear", "point"),
    "2:1": ((36, 24), "linear", "mean"),
    "4:1": ((18, 12), "linear", "linear"),
    "6:1": ((12, 8), "linear", "linear"),
    "1.3:1": ((55, 37), "linear", "linear"),
    "enlarged": ((100, 70), "linear", "linear"),
    "area 3:1": ((24, 16), "area", "area"),
    "area 1.3:1": ((55, 37), "area", "area"),
}
"""Size of the input, sampling of the contract, and what luma's must be."""
COUNTS: dict[tuple[str, str], np.ndarray] = {}


@pytest.fixture(scope="module", autouse=True)
def counts():
    """`pytest -s` shows how many values of the tensors are off by how many levels."""
    COUNTS.clear()
    yield
    print(f"\n{'samples':8} {'sampling':12} {'values':>9} {'0 off':>9} {'1 off':>8} {'2 off':>7} {'3 off':>6}  more")
    for (samples, name), found in sorted(COUNTS.items()):
        each = f"{found.sum():9} {found[0]:9} {found[1]:8} {found[2]:7} {found[3]:6}"
        print(f"{samples:8} {name:12} {each} {found[4:].sum():5}")


def rounded(planes, plan):
    """Planes at the input's size, as the plan's own words say, which are written for kernels."""
    return [
        np.rint(mean_over(plane, *_size(sampling))) if sampling.kind == "area" else sample(plane, sampling)
        for plane, sampling in zip(planes, (plan.luma, plan.chroma, plan.chroma), strict=True)
    ]


def _size(sampling):
    return sampling.part.out_width, sampling.part.out_height


def sampled(planes, size, kind):
    """Planes at the input's size, in float64. Where luma is a sample, or the mean of 2x2, chroma is the nearest."""
    y, u, v = planes
    (width, height), (rows, columns) = size, y.shape
    if kind == "point":
        across, down = (
            np.arange(out) * (have // out) + have // out // 2 for out, have in ((width, columns), (height, rows))
        )
        return nearest(y, across, down), *(nearest(one, across // 2, down // 2) for one in (u, v))
    if kind == "mean":
        return y.reshape(height, 2, width, 2).mean((1, 3)), u, v
    if kind == "linear":
        return tuple(bilinear(one, width, height) for one in (y, u, v))
    return tuple(
        mean_over(one, width, height)
        if width <= one.shape[1] and height <= one.shape[0]
        else bilinear(one, width, height)
        for one in (y, u, v)
    )


@pytest.mark.parametrize(("order", "kind"), [*itertools.product(("RGB", "BGR"), ("random", "gradient"))])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("format_", FORMATS)
@pytest.mark.parametrize("colours", COLOURS)
def test_every_pixel_is_within_two_levels(colours, format_, shape, kind, order):
    matrix, range_ = colours
    (width, height), sampling, luma = SHAPES[shape]
    planes = frame_of(kind, *SIZE)
    frame = image_in(format_, planes, matrix, range_)
    contract = ColourContract(width_px=width, height_px=height, order=order, sampling=sampling, dtype="uint8")
    plan = plan_conversion(frame.spec, contract)
    assert plan.luma.kind == luma
    found = Converter(plan).tensor(frame)[0].transpose(1, 2, 0).astype(int)
    planes = planes[0], planes[1][0::2], planes[2][0::2]
    for samples, exact, most in (
        ("8 bit", rounded(planes, plan), 2),
        ("float64", sampled(planes, (width, height), luma), 2 if luma in ("point", "mean") else 3),
    ):
        rgb = np.rint(exact_rgb(*map(np.asarray, exact), matrix, range_))
        off = np.bincount(np.abs(found - (rgb if order == "RGB" else rgb[..., ::-1])).astype(int).ravel(), minlength=9)
        COUNTS[samples, shape] = COUNTS.get((samples, shape), 0) + off
        assert not off[most + 1 :].sum()


@pytest.mark.parametrize("order", ["RGB", "BGR", "RGBA", "GRAY"])
@pytest.mark.parametrize("shape", SHAPES)
def test_pixels_are_within_one_level(shape, order):
    (width, height), sampling, luma = SHAPES[shape]
    rgb = np.random.default_rng(1).integers(0, 256, (SIZE[1], SIZE[0], 3), np.uint8)
    frame = pixels_in(order, rgb)
    contract = ColourContract(width_px=width, height_px=height, order="RGB", sampling=sampling, layout="NHWC")
    found = Converter(plan_conversion(frame.spec, contract)).tensor(frame)[0]
    channels = [rgb[..., 1]] * 3 if order == "GRAY" else list(np.moveaxis(rgb, -1, 0))
    for channel, got in zip(channels, np.moveaxis(found, -1, 0), strict=True):
        want = sampled((channel, channel[::2, ::2], channel[::2, ::2]), (width, height), luma)[0]
        assert np.abs(got - want).max() <= (1.1 if luma == "linear" else 1.0)  # weights of 8 bits, the same everywhere


@pytest.mark.parametrize("order", ["RGB", "GRAY"])
def test_limited_pixels_get_their_whole_range(order):
    levels = np.array([[0, 16, 17, 126, 234, 235, 255]], np.uint8)
    pixels = levels if order == "GRAY" else np.dstack([levels] * 3)
    frame = RgbImage(pixels=pixels, order=order, range="limited")
    contract = ColourContract(width_px=7, height_px=1, order="RGB")
    found = Converter(plan_conversion(frame.spec, contract)).rgb(frame)
    assert found[0, :, 0].tolist() == [0, 0, 1, 128, 254, 255, 255] and (found[..., :1] == found).all()


def test_a_kernel_s_linear_is_opencv_s_to_the_last_bit():
    """What `PlaneSampling` tells whoever writes one, done in numpy."""
    random = np.random.default_rng(2)
    for (columns, rows), (width, height) in (
        ((128, 72), (55, 37)),
        ((127, 71), (128, 72)),
        ((33, 21), (64, 64)),
        ((640, 360), (416, 234)),
        ((160, 90), (40, 22)),
    ):
        plane = random.integers(0, 256, (rows, columns), np.uint8)
        frame = RgbImage(pixels=plane, order="GRAY")
        contract = ColourContract(width_px=width, height_px=height, order="GRAY", dtype="uint8")
        plan = plan_conversion(frame.spec, contract)
        assert plan.luma.kind == "linear"
        np.testing.assert_array_equal(Converter(plan).tensor(frame)[0, 0], linear(plane, plan.luma))
