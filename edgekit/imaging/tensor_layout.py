"""Levels become a tensor: the value and the place of each channel, as the contract says."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

from edgekit.imaging.image import Pixels
from edgekit.imaging.planning import value_of
from edgekit.schema.recipe import ColourContract

Tensor: TypeAlias = npt.NDArray[Any]
"""Of any dtype that a contract has."""


class TensorLayout:
    """Writes pictures of a contract's size, or a part of one, into tensors. Used by any number of threads."""

    def __init__(self, contract: ColourContract) -> None:
        self._contract = contract
        self._tables = [
            np.array([value_of(level, gain, offset, contract) for level in range(256)], contract.dtype)
            for gain, offset in zip(contract.gains, contract.offsets, strict=True)
        ]
        self._table = np.stack(self._tables, axis=-1)[None]
        self._factor = None if any(contract.offsets) else np.array(contract.gains, np.float32)
        self.is_plain = contract.dtype == "uint8" and contract.quantised is None
        """Whether the tensor holds levels as they are."""

    def write(self, pixels: Pixels, tensor: Tensor) -> None:
        """Fill a tensor, or a part of one, with interleaved pixels.

        Args:
            pixels: uint8[height, width, channels] in the contract's order, or without the last axis for one channel.
            tensor: [channels, height, width] or [height, width, channels], of the contract's dtype.
        """
        if self._contract.layout == "NHWC":
            look_up(pixels, self._table, tensor)
            return
        for channel, plane in enumerate(tensor):
            levels = pixels if pixels.ndim == 2 else np.asarray(cv2.extractChannel(pixels, channel), np.uint8)
            self.write_plane(levels, channel, plane)

    def write_planes(self, levels: Sequence[Pixels], tensor: Tensor, room: Pixels | None) -> None:
        """Fill a tensor, or a part of one, with levels of each channel.

        Args:
            levels: uint8[height, width] for each channel, in the contract's order.
            tensor: [channels, height, width] or [height, width, channels], of the contract's dtype.
            room: uint8[height, width, channels] for what lies between; only where levels are interleaved.
        """
        if self._contract.layout == "NCHW":
            for channel, (level, plane) in enumerate(zip(levels, tensor, strict=True)):
                self.write_plane(level, channel, plane)
        elif len(levels) == 1:
            self.write_plane(levels[0], 0, tensor[:, :, 0])
        elif self.is_plain:
            written(cv2.merge(list(levels), tensor), tensor)
        else:
            assert room is not None, "levels are interleaved first"
            written(cv2.merge(list(levels), room), room)
            look_up(room, self._table, tensor)

    def write_plane(self, levels: Pixels, channel: int, plane: Tensor) -> None:
        """Fill one channel: levels and plane are [height, width]."""
        if plane.dtype == np.float32 and self._factor is not None:
            np.multiply(levels, self._factor[channel], out=plane)
        elif self.is_plain:
            np.copyto(plane, levels)
        else:
            look_up(levels, self._tables[channel], plane)


def tensors_of(pictures: Pixels, contract: ColourContract) -> Tensor:
    """The model's input for several pictures.

    Args:
        pictures: uint8[count, height, width, channels], of the contract's size and order.
        contract: what the input is.

    Returns:
        A new array, [count, ...], as the contract says.
    """
    layout, tensors = TensorLayout(contract), np.empty((len(pictures), *contract.tensor_shape[1:]), contract.dtype)
    for picture, tensor in zip(pictures, tensors, strict=True):
        layout.write(picture, tensor)
    return tensors


def look_up(pixels: Pixels, table: Tensor, out: Tensor) -> None:
    """Replace each level by its value in the table, into `out`."""
    written(cv2.LUT(pixels, table, out), out)


def written(made: object, out: Tensor) -> None:
    """OpenCV writes in place where size and type fit, and elsewhere without a word where they do not."""
    assert isinstance(made, np.ndarray) and made.ctypes.data == out.ctypes.data, "written in place"
