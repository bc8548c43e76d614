"""The one conversion between a source's frames and a model's input: planned once, then carried out for each frame."""

from __future__ import annotations

from typing import Protocol

import cv2
import numpy as np
import numpy.typing as npt

from edgekit.imaging.compiled import compiled_filler
from edgekit.imaging.image import Image, Pixels
from edgekit.imaging.planning import Conversion, plan_conversion
from edgekit.imaging.portable import LevelMaker, PortableFiller, new_planes
from edgekit.imaging.tensor_layout import tensors_of

__all__ = ["Conversion", "Converter", "TensorFiller", "plan_conversion", "tensors_of"]


class TensorFiller(Protocol):
    """Carries out a `Conversion`, whose docstring says what it must reproduce. Used by one thread."""

    def fill(self, image: Image, tensor: npt.NDArray[np.generic], *, bars: bool = True) -> None:
        """Write a frame's tensor.

        Args:
            image: a frame of the plan's source; read only during the call.
            tensor: one picture's, without the batch: as the contract says; rows may lie further apart than they are
                long.
            bars: also what lies around the picture; False where the tensor holds that already.
        """

    def close(self) -> None:
        """Free what it holds. May be called twice."""


class Converter:
    """Carries out one `Conversion`. `fill` is used by one thread; what makes new pictures, by any."""

    def __init__(self, plan: Conversion, filler: TensorFiller | None = None) -> None:
        """Choose who carries the plan out.

        Args:
            plan: the conversion.
            filler: does; None: the compiled kernel, where it is installed and can, else NumPy and OpenCV.
        """
        self.plan = plan
        self._filler: TensorFiller = filler or compiled_filler(plan) or PortableFiller(plan)

    def fill(self, image: Image, tensor: npt.NDArray[np.generic], *, bars: bool = True) -> None:
        """Write the model's input for a frame where the engine reads it: nothing is copied afterwards.

        Args:
            image: a frame of the plan's source.
            tensor: one picture of the batch, as the contract says: [1, ...]; rows may lie further apart than they are
                long.
            bars: also what lies around the picture; False where the tensor holds the `around` of this plan already.

        Raises:
            ValueError: it has another shape or dtype, or the frame is another than was planned for.
        """
        contract = self.plan.contract
        if tensor.shape != (1, *contract.tensor_shape[1:]) or tensor.dtype != contract.dtype:
            raise ValueError(f"the tensor is {tensor.dtype} {list(tensor.shape)}, the contract says another")
        self._filler.fill(image, tensor[0], bars=bars)

    def close(self) -> None:
        """Free what carries it out. May be called twice."""
        self._filler.close()

    def tensor(self, image: Image) -> npt.NDArray[np.generic]:
        """The model's input for a frame: a new array [1, ...] as the contract says, that the caller owns."""
        tensor = np.empty((1, *self.plan.contract.tensor_shape[1:]), self.plan.contract.dtype)
        self.fill(image, tensor)
        return tensor

    def rgb(self, image: Image) -> Pixels:
        """The frame at the model's input size, for people and for stages that look at it.

        Returns:
            uint8[height, width, 3], RGB, full range, with bars: a new array that the caller owns.

        Raises:
            ValueError: the frame is another than was planned for.
        """
        plan, fit = self.plan, self.plan.fit
        planes = new_planes(plan)
        LevelMaker(plan).make(image, planes)
        inner = np.asarray(cv2.merge(planes), np.uint8)
        if not plan.is_boxed:
            return inner
        whole: Pixels = np.empty((plan.contract.height_px, plan.contract.width_px, 3), np.uint8)
        whole[:] = plan.contract.bar_colour
        whole[fit.top_px : fit.top_px + fit.height_px, fit.left_px : fit.left_px + fit.width_px] = inner
        return whole

    def pixels(self, image: Image) -> Pixels:
        """The frame at the model's input size, in the contract's order of channels.

        Returns:
            uint8[height, width, channels]: a new array that the caller owns.
        """
        contract, rgb = self.plan.contract, self.rgb(image)
        match contract.order:
            case "RGB":
                return rgb
            case "BGR":
                return np.ascontiguousarray(rgb[..., ::-1])
            case "GRAY":
                grey = np.asarray(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), np.uint8)
                return grey.reshape(contract.height_px, contract.width_px, 1)
