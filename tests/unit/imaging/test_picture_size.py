"""A picture's size is told from its head, and none is decoded that no camera makes."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgekit.device.runtime.golden import Passage
from edgekit.errors import InputError
from edgekit.host.engine.pictures.read import read_picture
from edgekit.host.golden.drawing import draw
from edgekit.imaging.picture_size import picture_size
from edgekit.schema.recipe import ColourContract

CONTRACT = ColourContract(width_px=4, height_px=4, order="RGB")
READERS = (
    lambda file: read_picture(file, CONTRACT),
    lambda file: draw(file, (), ()),
    lambda file: Passage((), lambda *_: None).find(file),
)
"""All that read pictures: for calibration and verification, for people, as golden frames."""
KINDS = {
    "png": [],
    "jpg": [],
    "progressive.jpg": [cv2.IMWRITE_JPEG_PROGRESSIVE, 1],
    "bmp": [],
    "webp": [cv2.IMWRITE_WEBP_QUALITY, 80],
    "lossless.webp": [cv2.IMWRITE_WEBP_QUALITY, 101],
}


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("size", [(1, 1), (33, 77), (1920, 17)])
def test_it_is_what_the_decoder_finds(name: str, size: tuple[int, int], tmp_path: Path) -> None:
    width, height = size
    pixels = np.random.default_rng(1).integers(0, 256, (height, width, 3), np.uint8)
    file = tmp_path / f"a.{name}"
    assert cv2.imwrite(str(file), pixels, KINDS[name])
    assert picture_size(file.read_bytes()) == size
    assert read_picture(file, CONTRACT).shape == (4, 4, 3)


def test_a_jpeg_with_a_profile_and_a_preview_in_front(tmp_path: Path) -> None:
    data = cv2.imencode(".jpg", np.zeros((30, 40, 3), np.uint8))[1].tobytes()
    preview = b"\xff\xe1" + struct.pack(">H", 40_002) + cv2.imencode(".jpg", np.zeros((8, 8, 3), np.uint8))[1].tobytes()
    whole = data[:2] + preview.ljust(40_004, b"\0") + data[2:]
    assert picture_size(whole) == (40, 30)


def bomb(side: int) -> bytes:
    """A PNG of one colour: a few bytes for as many pixels as one likes."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b"\0" * 1024))
        + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("side", [30_000, 40_000, 2**31 - 1])
def test_one_that_no_camera_makes_is_not_decoded(side: int, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(bomb(side))
    for read in READERS:
        with pytest.raises(InputError, match=f"has {side}x{side} pixels, and at most 200 million are read"):
            read(tmp_path / "a.png")


@pytest.mark.parametrize("content", [b"", b"hello", bomb(8)[:20], bomb(100), bomb(8)[:-20]])
def test_a_damaged_one_is_named(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(content)
    for read in READERS:
        with pytest.raises(InputError, match=r"a\.png is no picture that can be read"):
            read(tmp_path / "a.png")


@given(st.sampled_from([b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"BM", b"RIFF", b""]), st.binary(max_size=200))
def test_any_head_has_a_size_or_none(magic: bytes, rest: bytes) -> None:
    size = picture_size(magic + rest)
    assert size is None or min(size) > 0
