"""Pictures become on the host what the worker makes of them on the board: one conversion, held against plain numpy."""

from __future__ import annotations

import itertools

import cv2
import numpy as np
import pytest

from edgekit.errors import InputError
from edgekit.host.engine.pictures.read import read_picture, read_pictures
from edgekit.imaging.conversion import tensors_of
from edgekit.schema.recipe import ColourContract

STD = (58.395, 57.12, 57.375)
SIZES = [(40, 30), (160, 90), (33, 77), (8, 6)]


def fitted(bgr: np.ndarray, contract: ColourContract) -> np.ndarray:
    """Stretched, or whole between bars, by OpenCV itself."""
    height, width = bgr.shape[:2]
    scale = min(contract.width_px / width, contract.height_px / height)
    inner = (contract.width_px, contract.height_px)
    if contract.fit == "letterbox":
        inner = (round(width * scale), round(height * scale))
    area = contract.sampling == "area" and width >= inner[0] and height >= inner[1]
    scaled = cv2.resize(bgr, inner, interpolation=cv2.INTER_AREA if area else cv2.INTER_LINEAR_EXACT)
    whole = np.full((contract.height_px, contract.width_px, 3), (30, 20, 10), np.uint8)
    left, top = (contract.width_px - inner[0]) // 2, (contract.height_px - inner[1]) // 2
    whole[top : top + inner[1], left : left + inner[0]] = scaled
    return whole


@pytest.mark.parametrize("order", ["RGB", "BGR", "GRAY"])
@pytest.mark.parametrize("fit", ["stretch", "letterbox"])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("form", [*itertools.product(("NCHW", "NHWC"), (58.0, STD), ("linear", "area"))])
def test_files_become_the_model_s_input(tmp_path, order, fit, size, form):
    layout, std, sampling = form
    scale = 1 / std if isinstance(std, float) else tuple(1 / one for one in std)[: 1 if order == "GRAY" else 3]
    values = {"scale": scale, "mean": 12.5, "bars": (10, 20, 30), "sampling": sampling}
    contract = ColourContract(width_px=32, height_px=24, order=order, fit=fit, layout=layout, **values)
    bgr = np.random.default_rng(7).integers(0, 256, (size[1], size[0], 3), np.uint8)
    cv2.imwrite(str(tmp_path / "p.png"), bgr)
    whole = fitted(bgr, contract)
    pixels = {"RGB": whole[..., ::-1], "BGR": whole, "GRAY": cv2.cvtColor(whole, cv2.COLOR_BGR2GRAY)[..., None]}[order]
    found = read_pictures([tmp_path / "p.png"] * 2, contract)
    np.testing.assert_array_equal(found, np.stack([pixels] * 2))
    values = ((pixels.astype(np.float64) - 12.5) * np.array(scale)).astype(np.float32)
    expected = values.transpose(2, 0, 1) if layout == "NCHW" else values
    tensors = tensors_of(found, contract)
    assert tensors.flags.c_contiguous and tensors.dtype == np.float32
    np.testing.assert_allclose(tensors, np.stack([expected] * 2), rtol=1e-5, atol=1e-7)


def test_no_pictures_are_an_empty_array():
    contract = ColourContract(width_px=4, height_px=2, order="GRAY")
    assert read_pictures((), contract).shape == (0, 2, 4, 1)


def test_what_is_no_picture_is_named(tmp_path):
    (tmp_path / "a.png").write_text("hello")
    with pytest.raises(InputError, match=r"a\.png is no picture"):
        read_picture(tmp_path / "a.png", ColourContract(width_px=4, height_px=2, order="RGB"))
