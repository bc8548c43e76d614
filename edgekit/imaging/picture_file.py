"""Files of pictures, decoded: their size is looked at first, for a megabyte may become gigabytes of pixels."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from edgekit.errors import InputError
from edgekit.imaging.image import RgbImage
from edgekit.imaging.picture_size import HEAD_BYTES, MAX_PIXELS, picture_size


def read_picture_file(file: Path, name: str = "") -> RgbImage:
    """Decode a picture.

    Args:
        file: PNG, JPEG, BMP or WebP; a regular file, or this may wait for a writer.
        name: what messages call it; empty: its path.

    Returns:
        uint8[height, width, 3], BGR; the caller's own.

    Raises:
        InputError: it is no such file, damaged, or has more than `MAX_PIXELS` pixels.
    """
    name = name or str(file)
    try:
        with file.open("rb") as stream:
            size = picture_size(stream.read(HEAD_BYTES))
    except OSError as error:
        raise InputError(f"{name} cannot be read: {error.strerror}", hint=f"ls -l {file}") from None
    if size is None:
        raise _no_picture(name)
    check_pixels(name, *size)
    try:
        pixels = cv2.imread(str(file), cv2.IMREAD_COLOR)
    except cv2.error:  # what it holds is not what its first bytes say
        pixels = None
    if pixels is None:
        raise _no_picture(name)
    return RgbImage(pixels=np.asarray(pixels, np.uint8), order="BGR")


def check_pixels(name: str, width_px: int, height_px: int) -> None:
    """Raise InputError where a picture, or a frame of a clip, is larger than any camera's."""
    if width_px * height_px > MAX_PIXELS:
        raise InputError(
            f"{name} has {width_px}x{height_px} pixels, and at most {MAX_PIXELS // 1_000_000} million are read",
            hint="give pictures as the camera has them, or smaller ones",
        )


def _no_picture(name: str) -> InputError:
    return InputError(f"{name} is no picture that can be read", hint="give whole PNG, JPEG, BMP or WebP files")
