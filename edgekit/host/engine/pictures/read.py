"""Files of pictures at a model's input size, for calibrating and verifying: as the worker on the board makes them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edgekit.host.engine.reading import open_file
from edgekit.imaging.conversion import Converter, plan_conversion
from edgekit.imaging.image import Pixels
from edgekit.imaging.picture_file import read_picture_file
from edgekit.schema.recipe import ColourContract

MADE_UP = ("black", "white", "noise")
"""Pictures that stand in where a recipe has none: float16 overflows on them too."""


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
    with open_file(file):  # a pipe would keep the decoder waiting
        pass
    image = read_picture_file(file)
    return Converter(plan_conversion(image.spec, contract)).pixels(image)


def made_up_pictures(contract: ColourContract) -> Pixels:
    """Those that stand in where a recipe has none, one for each name of `MADE_UP`: as `read_pictures`."""
    shape = (contract.height_px, contract.width_px, contract.channels)
    noise = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    return np.stack([np.zeros(shape, np.uint8), np.full(shape, 255, np.uint8), noise])


def digest_of(array: npt.NDArray[np.generic]) -> str:
    """Names an array by shape and content."""
    return hashlib.sha256(str(array.shape).encode() + array.tobytes()).hexdigest()
