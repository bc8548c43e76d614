"""Conversions against an exact reference in float64."""

from __future__ import annotations

import itertools

import cv2
import numpy as np
import pytest

from edgekit.errors import InputError
from edgekit.imaging.conversion import Converter, plan_conversion, tensors_of
from edgekit.imaging.image import FrameSpec, RgbImage, RgbSpec, Yuv420Image
from edgekit.schema.recipe import ColourContract

WEIGHTS = {"601": (0.299, 0.114), "709": (0.2126, 0.0722), "2020": (0.2627, 0.0593)}
ALL = list(itertools.product(WEIGHTS, ("limited", "full")))


def contract(width=32, height=18, **more) -> ColourContract:
    return ColourContract(**{"width_px": width, "height_px": height, "order": "RGB", **more})


def exact_rgb(y, u, v, matrix, range_):
    """H.273's equations word for word: to analogue E'Y, E'PB, E'PR, then to R'G'B'."""
    kr, kb = WEIGHTS[matrix]
    y, u, v = (plane.astype(np.float64) for plane in (y, u, v))
    luma = (y - 16) / 219 if range_ == "limited" else y / 255
    pb, pr = ((chroma - 128) / (224 if range_ == "limited" else 255) for chroma in (u, v))
    red = luma + pr * 2 * (1 - kr)
    blue = luma + pb * 2 * (1 - kb)
    green = (luma - kr * red - kb * blue) / (1 - kr - kb)
    return np.clip(np.stack([red, green, blue], axis=-1), 0, 1) * 255


def image(y, u, v, matrix="709", range_="limited") -> Yuv420Image:
    spec = FrameSpec(width_px=y.shape[1], height_px=y.shape[0], matrix=matrix, range=range_)
    return Yuv420Image(y=y, u=u, v=v, spec=spec)


def noise(height, width, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width), dtype=np.uint8)


@pytest.mark.parametrize(("matrix", "range_"), ALL)
def test_colours_alone_are_within_one_step_of_the_exact_ones(matrix, range_):
    levels = np.arange(0, 256, 5, dtype=np.uint8)
    y, u, v = (np.repeat(np.repeat(axis, 2), 2) for axis in np.meshgrid(levels, levels, levels))
    y, u, v = y.reshape(-1, 2 * levels.size), u.reshape(-1, 2 * levels.size), v.reshape(-1, 2 * levels.size)
    # 4:2:0 with chroma of luma's size halved: each 2x2 block is of one colour.
    y, u, v = np.repeat(y, 2, axis=0), u[:, ::2], v[:, ::2]
    frame = image(y, u, v, matrix, range_)
    plan = plan_conversion(frame.spec, contract(y.shape[1] // 2, y.shape[0] // 2))
    found = Converter(plan).rgb(frame)
    assert np.abs(found - exact_rgb(y[::2, ::2], u, v, matrix, range_)).max() <= 1.0


@pytest.mark.parametrize(("matrix", "range_"), ALL)
def test_scaled_noise_is_within_two_steps_of_exact_averages(matrix, range_):
    y, u, v = noise(72, 128), noise(36, 64, 1), noise(36, 64, 2)
    frame = image(y, u, v, matrix, range_)
    found = Converter(plan_conversion(frame.spec, contract())).rgb(frame)
    average = [plane.reshape(18, s, 32, s).mean(axis=(1, 3)) for plane, s in ((y, 4), (u, 2), (v, 2))]
    # Half a step of each plane, times its gain, and the last rounding: below 2.3 from the exact value.
    assert np.abs(found - np.rint(exact_rgb(*average, matrix, range_))).max() <= 2


def test_matrices_differ_where_it_matters():
    y, u, v = (np.full(shape, value, np.uint8) for shape, value in (((36, 64), 90), ((18, 32), 90), ((18, 32), 220)))
    rgb = {pair: Converter(plan_conversion(image(y, u, v, *pair).spec, contract())).rgb(image(y, u, v, *pair))[0, 0]
           for pair in ALL}  # fmt: skip
    assert len({tuple(int(value) for value in pixel) for pixel in rgb.values()}) == len(ALL)


def test_known_colours_of_bt709():
    # 100 % red in BT.709 limited: (63, 102, 240); white (235, 128, 128); black (16, 128, 128).
    for codes, expected in (((63, 102, 240), (255, 0, 0)), ((235, 128, 128), (255,) * 3), ((16, 128, 128), (0,) * 3)):
        y, u, v = (np.full(shape, code, np.uint8) for shape, code in zip(((4, 4), (2, 2), (2, 2)), codes, strict=True))
        found = Converter(plan_conversion(image(y, u, v).spec, contract(2, 2))).rgb(image(y, u, v))
        assert np.abs(found.astype(int) - expected).max() <= 1


def test_a_png_that_opencv_read_keeps_its_colours(tmp_path):
    path = str(tmp_path / "red.png")
    cv2.imwrite(path, np.full((18, 32, 3), (10, 20, 200), np.uint8))
    read = RgbImage(pixels=cv2.imread(path), order="BGR")
    assert read.spec == RgbSpec(width_px=32, height_px=18, order="BGR")
    found = Converter(plan_conversion(read.spec, contract())).rgb(read)
    assert (found == (200, 20, 10)).all()


def test_the_result_never_shares_memory_with_the_image():
    pixels = np.zeros((18, 32, 3), np.uint8)
    frame = RgbImage(pixels=pixels, order="RGB")
    found = Converter(plan_conversion(frame.spec, contract())).rgb(frame)
    assert not np.shares_memory(found, pixels)


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
@pytest.mark.parametrize(
    ("order", "mean", "scale"),
    [
        ("RGB", (1.0, 2.0, 3.0), 0.25),
        ("BGR", (1.0, 2.0, 3.0), (0.25, 0.5, 2.0)),
        ("GRAY", (4.0,), (0.25,)),
        ("RGB", 5.0, 0.25),
        ("RGB", (123.675, 116.28, 103.53), (0.017125, 0.017507, 0.017429)),
    ],
)
def test_tensor_is_what_the_contract_says(layout, order, mean, scale):
    model = contract(order=order, layout=layout, mean=mean, scale=scale)
    rgb = np.random.default_rng(3).integers(0, 256, (18, 32, 3), dtype=np.uint8)
    tensor = Converter(plan_conversion(RgbSpec(width_px=32, height_px=18, order="RGB"), model)).tensor(rgb)
    pixels = {"RGB": rgb, "BGR": rgb[..., ::-1], "GRAY": cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)[..., None]}[order]
    expected = (pixels.astype(np.float32) - np.array(mean, np.float32)) * np.array(scale, np.float32)
    if layout == "NCHW":
        expected = expected.transpose(2, 0, 1)
    assert tensor.dtype == np.float32 and tensor.flags.c_contiguous
    np.testing.assert_allclose(tensor, expected[None], rtol=1e-6, atol=1e-5)


def test_uint8_tensor_is_the_pixels_themselves():
    rgb = noise(18, 96).reshape(18, 32, 3)
    spec = RgbSpec(width_px=32, height_px=18, order="RGB")
    tensor = Converter(plan_conversion(spec, contract(dtype="uint8", layout="NHWC"))).tensor(rgb)
    assert tensor.dtype == np.uint8 and (tensor[0] == rgb).all()


@pytest.mark.parametrize("dtype", ["float32", "uint8"])
@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
@pytest.mark.parametrize("order", ["RGB", "BGR", "GRAY"])
def test_a_buffer_is_written_where_it_lies(dtype, layout, order):
    """Also one whose rows lie further apart than they are long, as some accelerators want them."""
    model = contract(width=10, height=6, order=order, layout=layout, dtype=dtype)
    rgb = noise(6, 30).reshape(6, 10, 3)
    converter = Converter(plan_conversion(RgbSpec(width_px=10, height_px=6, order="RGB"), model))
    wide = np.full((1, model.channels, 6, 16) if layout == "NCHW" else (1, 6, 16, model.channels), 77, dtype)
    buffer = wide[..., :10] if layout == "NCHW" else wide[:, :, :10]
    converter.write(rgb, buffer)
    np.testing.assert_array_equal(buffer, converter.tensor(rgb))
    assert (buffer != 77).any()
    assert ((wide[..., 10:] if layout == "NCHW" else wide[:, :, 10:]) == 77).all()


@pytest.mark.parametrize("shape", [(1, 3, 18, 32), (1, 18, 32, 3)])
def test_a_buffer_of_another_kind_is_refused(shape):
    """OpenCV would write elsewhere without a word."""
    rgb = noise(18, 96).reshape(18, 32, 3)
    converter = Converter(plan_conversion(RgbSpec(width_px=32, height_px=18, order="RGB"), contract()))
    buffer = np.zeros(shape, np.float64 if shape[1] == 3 else np.float32)
    with pytest.raises(ValueError, match="the contract says another"):
        converter.write(rgb, buffer)


@pytest.mark.parametrize("order", ["RGB", "BGR", "GRAY"])
@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
def test_pixels_and_tensors_of_are_the_same_two_steps(order, layout):
    model = contract(order=order, layout=layout, scale=1 / 255, mean=3.0, fit="letterbox", width=40)
    frame = image(noise(72, 128), noise(36, 64, 1), noise(36, 64, 2))
    converter = Converter(plan_conversion(frame.spec, model))
    pixels = converter.pixels(frame)
    assert pixels.shape == (18, 40, model.channels)
    np.testing.assert_array_equal(tensors_of(pixels[None], model), converter.tensor(converter.rgb(frame)))


def test_letterbox_keeps_the_shape_and_finds_the_way_back():
    frame = RgbImage(pixels=np.full((36, 64, 3), 200, np.uint8), order="RGB")
    plan = plan_conversion(frame.spec, contract(40, 40, fit="letterbox"))
    found = Converter(plan).rgb(frame)
    rows = (found == 200).all(axis=(1, 2))
    assert rows.sum() == round(40 * 36 / 64) and not rows[0] and not rows[-1]
    assert plan.fit.to_source(*plan.fit.to_input(12.5, 30.25)) == pytest.approx((12.5, 30.25))
    assert plan.fit.to_source(0.0, float(plan.fit.top_px)) == (0.0, 0.0)


def test_enlarging_interpolates():
    frame = RgbImage(pixels=np.array([[[0] * 3, [200] * 3]], np.uint8), order="RGB")
    found = Converter(plan_conversion(frame.spec, contract(4, 1))).rgb(frame)[0, :, 0]
    assert found.tolist() == [0, 50, 150, 200]


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"mean": (1.0, 2.0)}, "2 means for 3 channels"),
        ({"dtype": "uint8", "scale": 0.5}, "uint8 with a scale"),
        ({"width_px": 0}, "0x18 pixels"),
    ],
)
def test_a_contract_that_contradicts_itself_is_refused(wrong, told):
    with pytest.raises(InputError, match=told):
        plan_conversion(RgbSpec(width_px=32, height_px=18, order="RGB"), contract(**wrong))
