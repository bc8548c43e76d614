"""Pictures become on the host what the worker makes of them on the board."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from edgekit.errors import InputError
from edgekit.host.engine.verify.pictures import read_picture, read_pictures, tensor_of
from edgekit.imaging.conversion import Converter, plan_conversion
from edgekit.imaging.image import RgbImage, RgbSpec
from edgekit.schema.recipe import ColourContract

STD = (58.395, 57.12, 57.375)
SIZES = [(40, 30), (160, 90), (33, 77), (8, 6)]


@pytest.mark.parametrize("order", ["RGB", "BGR", "GRAY"])
@pytest.mark.parametrize("fit", ["stretch", "letterbox"])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("form", [("NCHW", 58.0), ("NHWC", 58.0), ("NCHW", STD), ("NHWC", STD)])
def test_it_is_the_worker_s_own_input(tmp_path, order, fit, size, form):
    layout, std = form
    scale = 1 / std if isinstance(std, float) else tuple(1 / one for one in std)[: 1 if order == "GRAY" else 3]
    contract = ColourContract(width_px=32, height_px=24, order=order, fit=fit, layout=layout, scale=scale, mean=12.5)
    width, height = size
    bgr = np.random.default_rng(7).integers(0, 256, (height, width, 3), np.uint8)
    cv2.imwrite(str(tmp_path / "p.png"), bgr)
    converter = Converter(plan_conversion(RgbSpec(width_px=width, height_px=height, order="BGR"), contract))
    expected = converter.tensor(converter.rgb(RgbImage(pixels=bgr, order="BGR")))
    found = tensor_of(read_picture(tmp_path / "p.png", contract)[None], contract)
    np.testing.assert_array_equal(found, expected)


def test_no_pictures_are_an_empty_array():
    contract = ColourContract(width_px=4, height_px=2, order="GRAY")
    assert read_pictures((), contract).shape == (0, 2, 4, 1)


def test_what_is_no_picture_is_named(tmp_path):
    (tmp_path / "a.png").write_text("hello")
    with pytest.raises(InputError, match=r"a\.png is no picture"):
        read_picture(tmp_path / "a.png", ColourContract(width_px=4, height_px=2, order="RGB"))
