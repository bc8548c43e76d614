"""Conversions against an exact reference in float64."""

from __future__ import annotations

import itertools

import cv2
import numpy as np
import pytest

from edgekit.errors import InputError
from edgekit.imaging.conversion import Converter, plan_conversion, tensors_of
from edgekit.imaging.image import FrameSpec, RgbImage, RgbSpec, Yuv420Image
from edgekit.schema.recipe import ColourContract, QuantisedInput
from tests.unit.imaging.as_documented import tensor_of
from tests.unit.imaging.exact import COLOURS, FORMATS, exact_rgb, frame_of, image_in, pixels_in


def contract(width=32, height=18, **more) -> ColourContract:
    return ColourContract(**{"width_px": width, "height_px": height, "order": "RGB", **more})


def image(y, u, v, matrix="709", range_="limited") -> Yuv420Image:
    spec = FrameSpec(width_px=y.shape[1], height_px=y.shape[0], matrix=matrix, range=range_)
    return Yuv420Image(y=y, u=u, v=v, spec=spec)


def noise(height, width, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width), dtype=np.uint8)


@pytest.mark.parametrize(("matrix", "range_"), COLOURS)
def test_colours_alone_are_within_one_step_of_the_exact_ones(matrix, range_):
    levels = np.arange(0, 256, 5, dtype=np.uint8)
    y, u, v = (np.repeat(np.repeat(axis, 2), 2) for axis in np.meshgrid(levels, levels, levels))
    y, u, v = y.reshape(-1, 2 * levels.size), u.reshape(-1, 2 * levels.size), v.reshape(-1, 2 * levels.size)
    # 4:2:0 with chroma of luma's size halved: each 2x2 block is of one colour.
    y, u, v = np.repeat(y, 2, axis=0), u[:, ::2], v[:, ::2]
    frame = image(y, u, v, matrix, range_)
    plan = plan_conversion(frame.spec, contract(y.shape[1] // 2, y.shape[0] // 2))
    found = Converter(plan).rgb(frame)
    assert np.abs(found - np.rint(exact_rgb(y[::2, ::2], u, v, matrix, range_))).max() <= 1


def test_matrices_differ_where_it_matters():
    y, u, v = (np.full(shape, value, np.uint8) for shape, value in (((36, 64), 90), ((18, 32), 90), ((18, 32), 220)))
    rgb = {pair: Converter(plan_conversion(image(y, u, v, *pair).spec, contract())).rgb(image(y, u, v, *pair))[0, 0]
           for pair in COLOURS}  # fmt: skip
    assert len({tuple(int(value) for value in pixel) for pixel in rgb.values()}) == len(COLOURS)


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


VALUES = {
    "as it is": {},
    "scaled": {"scale": 1 / 255},
    "mean": {"mean": (123.675, 116.28, 103.53), "scale": (0.017125, 0.017507, 0.017429)},
    "uint8": {"dtype": "uint8"},
    "int8": {"dtype": "int8", "scale": 1 / 255, "quantised": QuantisedInput(scale=1 / 255, zero_point=-128)},
    "int8, coarse": {"dtype": "int8", "mean": 100.0, "quantised": QuantisedInput(scale=0.7, zero_point=3)},
    "uint8 of reals": {"dtype": "uint8", "scale": 1 / 64, "quantised": QuantisedInput(scale=0.02, zero_point=10)},
}
FITS = {
    "stretch": {},
    "letterbox": {"fit": "letterbox", "bars": (114, 20, 200)},
    "top left": {"fit": "letterbox", "bars": 114, "align": "top_left"},
    "crop": {"fit": "crop"},
    "crop at the corner": {"fit": "crop", "align": "top_left"},
}


@pytest.mark.parametrize("fit", FITS)
@pytest.mark.parametrize("values", VALUES)
@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
@pytest.mark.parametrize("order", ["RGB", "BGR", "GRAY"])
def test_tensors_are_what_the_plan_tells_a_kernel_to_make(order, layout, values, fit):
    """Of every kind of source, within one level. Rows of a buffer may lie further apart than they are long."""
    given = VALUES[values]
    if order == "GRAY":
        given = {key: value[0] if isinstance(value, tuple) else value for key, value in given.items()}
    frames = [image_in(name, frame_of("random", 66, 34), "601", "limited") for name in FORMATS]
    frames += [pixels_in(one, noise(34, 66 * 3).reshape(34, 66, 3)) for one in ("RGB", "BGR", "RGBA", "GRAY")]
    for frame, size in zip(frames, itertools.cycle([(22, 30), (33, 17), (20, 10), (80, 44)])):
        model = contract(*size, order=order, layout=layout, **given, **FITS[fit])
        plan = plan_conversion(frame.spec, model)
        wanted = tensor_of(frame, plan).astype(np.float64)
        buffer = wide_buffer(model)
        Converter(plan).fill(frame, buffer)
        level = max(abs(gain) for gain in plan.gains)
        allowed = level * 1.001 if model.dtype == "float32" else max(1.0, np.ceil(level))
        assert np.abs(buffer[0] - wanted).max() <= allowed
        np.testing.assert_array_equal(buffer, Converter(plan).tensor(frame))
        pixels = Converter(plan).pixels(frame)
        np.testing.assert_array_equal(tensors_of(pixels[None], model), buffer, err_msg="the build makes the same")
        beside = buffer.base[..., size[0] :] if layout == "NCHW" else buffer.base[:, :, size[0] :]
        assert (beside == 77).all()


def wide_buffer(model):
    """As some accelerators want it; what its last use left in it does not count."""
    height, width, channels = model.height_px, model.width_px, model.channels
    if model.layout == "NCHW":
        return np.full((1, channels, height, width + 6), 77, model.dtype)[..., :width]
    return np.full((1, height, width + 6, channels), 77, model.dtype)[:, :, :width]


def test_values_are_those_of_the_contract():
    rgb = noise(18, 96).reshape(18, 32, 3)
    frame = RgbImage(pixels=rgb, order="RGB")
    model = contract(order="BGR", mean=(1.0, 2.0, 3.0), scale=(0.25, 0.5, 2.0))
    found = Converter(plan_conversion(frame.spec, model)).tensor(frame)
    expected = (rgb[..., ::-1].astype(np.float32) - (1, 2, 3)) * (0.25, 0.5, 2.0)
    assert found.dtype == np.float32 and found.flags.c_contiguous
    np.testing.assert_array_equal(found[0], expected.transpose(2, 0, 1))


@pytest.mark.parametrize("shape", [(1, 3, 18, 32), (1, 18, 32, 3)])
def test_a_buffer_of_another_kind_is_refused(shape):
    """OpenCV would write elsewhere without a word."""
    frame = RgbImage(pixels=noise(18, 96).reshape(18, 32, 3), order="RGB")
    converter = Converter(plan_conversion(frame.spec, contract()))
    buffer = np.zeros(shape, np.float64 if shape[1] == 3 else np.float32)
    with pytest.raises(ValueError, match="the contract says another"):
        converter.fill(frame, buffer)


@pytest.mark.parametrize(
    "other",
    [
        image_in("NV12", frame_of("random", 64, 36), "709", "limited"),
        image_in("I420", frame_of("random", 64, 36), "709", "full"),
        image_in("I420", frame_of("random", 64, 36), "601", "limited"),
        image_in("I420", frame_of("random", 66, 36), "709", "limited"),
        pixels_in("RGB", noise(36, 192).reshape(36, 64, 3)),
    ],
)
def test_a_frame_that_was_not_planned_for_is_refused(other):
    planned = image_in("I420", frame_of("random", 64, 36), "709", "limited")
    converter = Converter(plan_conversion(planned.spec, contract()))
    with pytest.raises(ValueError, match="planned was"):
        converter.rgb(other)


def test_a_crop_is_the_middle_in_the_input_s_shape():
    frame = RgbImage(pixels=noise(40, 300).reshape(40, 100, 3), order="RGB")
    for align, left in (("centre", 30), ("top_left", 0)):
        plan = plan_conversion(frame.spec, contract(20, 20, fit="crop", align=align))
        assert (plan.fit.source_left_px, plan.fit.source_width_px, plan.fit.source_height_px) == (left, 40, 40)
        middles = frame.pixels[:, left : left + 40].reshape(20, 2, 20, 2, 3).astype(int).sum((1, 3))
        np.testing.assert_array_equal(Converter(plan).rgb(frame), (middles + 2) >> 2)
        assert plan.fit.to_source(0, 0) == (left, 0) and plan.fit.to_input(left + 40, 40) == (20, 20)
        assert plan.fit.inside(0, 100) == (left, 40)


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
        ({"dtype": "int8"}, "int8, and not what its numbers stand for"),
        ({"quantised": QuantisedInput(scale=1.0)}, "quantised float32"),
    ],
)
def test_a_contract_that_contradicts_itself_is_refused(wrong, told):
    with pytest.raises(InputError, match=told):
        plan_conversion(RgbSpec(width_px=32, height_px=18, order="RGB"), contract(**wrong))
