"""Files of pictures at a model's input size, for calibrating and verifying: as the worker on the board makes them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from edgekit.errors import InputError
from edgekit.host.engine.pictures.size import HEAD_BYTES, MAX_PIXELS, picture_size
from edgekit.host.engine.reading import open_file
from edgekit.imaging.conversion import Converter, plan_conversion
from edgekit.imaging.image import Pixels, RgbImage
from edgekit.schema.recipe import ColourContract


def read_pictures(files: Iterable[Path], contract: ColourContract) -> Pixels:
    """Files as one array.

    Returns:
        uint8[count, height, width, channels], in the contract's order of channels.

    Raises:
        InputError: one of them is no picture.
    """
    found = [read_picture(file, contract) for file in files]
    return (
        np.stack(found) if found else np.empty((0, contract.height_px, contract.width_px, contract.channels), np.uint8)
    )


def read_picture(file: Path, contract: ColourContract) -> Pixels:
    """One file: uint8[height, width, channels].

    Raises:
        InputError: it is no picture, or larger than any camera's.
    """
    _check_size(file)
    try:
        pixels = cv2.imread(str(file), cv2.IMREAD_COLOR)
    except cv2.error:
        pixels = None
    if pixels is None:
        raise InputError(f"{file} is no picture that can be read", hint="give whole PNG, JPEG, BMP or WebP files")
    image = RgbImage(pixels=np.asarray(pixels, np.uint8), order="BGR")
    return Converter(plan_conversion(image.spec, contract)).pixels(image)


def _check_size(file: Path) -> None:
    with open_file(file) as stream:
        size = picture_size(stream.read(HEAD_BYTES) or b"")
    if size is None:
        raise InputError(f"{file} is no picture that can be read", hint="give whole PNG, JPEG, BMP or WebP files")
    if size[0] * size[1] > MAX_PIXELS:
        raise InputError(
            f"{file} has {size[0]}x{size[1]} pixels, more than any camera's",
            hint="give pictures as the camera has them",
        )


def digest_of(array: npt.NDArray[np.generic]) -> str:
    """Names an array by shape and content."""
    return hashlib.sha256(str(array.shape).encode() + array.tobytes()).hexdigest()
