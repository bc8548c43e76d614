"""Pictures as a model's exact input, for calibrating and verifying: what the worker on the board will make of them.

`imaging` does the same there; a test holds both against each other.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from edgekit.errors import InputError
from edgekit.host.engine.reading import open_file
from edgekit.host.engine.verify.picture_size import HEAD_BYTES, MAX_PIXELS, picture_size
from edgekit.schema.recipe import ColourContract

Pixels = npt.NDArray[np.uint8]


def read_pictures(files: Iterable[Path], contract: ColourContract) -> Pixels:
    """Files as one array.

    Returns:
        uint8[count, height, width, channels], in the contract's order of channels.

    Raises:
        InputError: one of them is no picture.
    """
    found = [read_picture(file, contract) for file in files]
    return np.stack(found) if found else np.empty((0, *_shape(contract)), np.uint8)


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
    fitted = _fit(np.asarray(pixels, np.uint8), contract)
    match contract.order:
        case "RGB":
            return np.asarray(cv2.cvtColor(fitted, cv2.COLOR_BGR2RGB), np.uint8)
        case "BGR":
            return fitted
        case "GRAY":
            return np.asarray(cv2.cvtColor(fitted, cv2.COLOR_BGR2GRAY), np.uint8)[..., None]


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


def tensor_of(pictures: Pixels, contract: ColourContract) -> npt.NDArray[np.generic]:
    """The model's input: (pixel - mean) * scale for each channel, laid out as the contract says."""
    values = (pictures.astype(np.float64) - np.array(contract.means)) * np.array(contract.scales)
    tensor = values.astype(contract.dtype)
    return np.ascontiguousarray(tensor.transpose(0, 3, 1, 2)) if contract.layout == "NCHW" else tensor


def _fit(pixels: Pixels, contract: ColourContract) -> Pixels:
    height, width = pixels.shape[:2]
    if contract.fit == "stretch":
        return _scale(pixels, contract.width_px, contract.height_px)
    scale = min(contract.width_px / width, contract.height_px / height)
    inner_width = max(1, min(contract.width_px, round(width * scale)))
    inner_height = max(1, min(contract.height_px, round(height * scale)))
    left, top = (contract.width_px - inner_width) // 2, (contract.height_px - inner_height) // 2
    whole = np.zeros((contract.height_px, contract.width_px, 3), np.uint8)
    whole[top : top + inner_height, left : left + inner_width] = _scale(pixels, inner_width, inner_height)
    return whole


def _scale(pixels: Pixels, width_px: int, height_px: int) -> Pixels:
    """Average over the area when it gets smaller, interpolate when it gets larger."""
    height, width = pixels.shape[:2]
    if (width, height) == (width_px, height_px):
        return pixels
    smaller = width >= width_px and height >= height_px
    flag = cv2.INTER_AREA if smaller else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(pixels, (width_px, height_px), interpolation=flag), np.uint8)


def _shape(contract: ColourContract) -> tuple[int, int, int]:
    return (contract.height_px, contract.width_px, contract.channels)


def digest_of(array: npt.NDArray[np.generic]) -> str:
    """Names an array by shape and content."""
    return hashlib.sha256(str(array.shape).encode() + array.tobytes()).hexdigest()
