"""The one conversion between a source's frames and a model's input: planned once, then carried out for each frame."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from edgekit.errors import InputError
from edgekit.imaging.fit import Fit, plan_fit
from edgekit.imaging.image import FrameSpec, Image, Pixels, RgbImage, RgbSpec, Yuv420Image
from edgekit.imaging.matrices import Rows, yuv_to_rgb
from edgekit.schema.recipe import ColourContract

_BAR_LEVEL = 0
"""Letterbox bars are black."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversion:
    """Everything that is decided before the first frame."""

    source: FrameSpec | RgbSpec
    contract: ColourContract
    fit: Fit
    matrix: Rows | None
    """Y'CbCr to R'G'B'; None where the source is RGB or BGR already."""
    channels: tuple[int, ...]
    """Which of R, G, B fills each of the tensor's channels; empty for GRAY."""


def plan_conversion(source: FrameSpec | RgbSpec, contract: ColourContract) -> Conversion:
    """Decide how frames of a source become a model's input.

    Raises:
        InputError: the contract contradicts itself.
    """
    channels = {"RGB": (0, 1, 2), "BGR": (2, 1, 0), "GRAY": ()}[contract.order]
    for what, numbers in (("means", contract.means), ("scales", contract.scales)):
        if len(numbers) != contract.channels:
            raise _contradiction(
                f"{len(numbers)} {what} for {contract.channels} channels", "give one number, or one per channel"
            )
    if contract.dtype == "uint8" and (any(scale != 1.0 for scale in contract.scales) or any(contract.means)):
        raise _contradiction("uint8 with a scale or a mean", 'leave scale and mean out, or write dtype = "float32"')
    if contract.width_px < 1 or contract.height_px < 1:
        raise _contradiction(f"{contract.width_px}x{contract.height_px} pixels", "give the model's input size")
    return Conversion(
        source=source,
        contract=contract,
        fit=plan_fit(source.width_px, source.height_px, contract),
        matrix=yuv_to_rgb(source.matrix, source.range) if isinstance(source, FrameSpec) else None,
        channels=channels,
    )


def _contradiction(what: str, hint: str) -> InputError:
    return InputError(f"the model's input contract says {what}", hint=hint)


class Converter:
    """Carries out one `Conversion`. Used by one thread.

    Planes are scaled before colours are converted: a frame of 640x360 for a model of 160x90 needs a sixteenth of the
    multiplications then. Chroma is scaled as if its samples lay centred; sited left, it is off by half a luma sample
    of the source, which is an eighth of a pixel there.
    """

    def __init__(self, plan: Conversion) -> None:
        self.plan = plan
        self._matrix = np.array(plan.matrix or np.eye(3, 4))
        self._layout = TensorLayout(plan.contract)

    def rgb(self, image: Image) -> Pixels:
        """The frame at the model's input size.

        Returns:
            uint8[height, width, 3], RGB, full range: a new array that the caller owns.
        """
        fit, contract = self.plan.fit, self.plan.contract
        inner = self._inner(image)
        if (fit.width_px, fit.height_px) == (contract.width_px, contract.height_px):
            return inner
        whole: Pixels = np.full((contract.height_px, contract.width_px, 3), _BAR_LEVEL, np.uint8)
        whole[fit.top_px : fit.top_px + fit.height_px, fit.left_px : fit.left_px + fit.width_px] = inner
        return whole

    def pixels(self, image: Image) -> Pixels:
        """The frame at the model's input size, in the contract's order of channels.

        Returns:
            uint8[height, width, channels]: a new array that the caller owns.
        """
        contract, rgb = self.plan.contract, self.rgb(image)
        return _ordered(rgb, contract).reshape(contract.height_px, contract.width_px, contract.channels)

    def tensor(self, rgb: Pixels) -> npt.NDArray[np.generic]:
        """The model's input for what `rgb` returned.

        Returns:
            A new array as the contract says, batch of one, that the caller owns.
        """
        tensor = np.empty(self.plan.contract.tensor_shape, self.plan.contract.dtype)
        self.write(rgb, tensor)
        return tensor

    def write(self, rgb: Pixels, tensor: npt.NDArray[np.generic]) -> None:
        """Lay what `rgb` returned out in the model's own input buffer: nothing is copied afterwards.

        Args:
            rgb: the frame at the model's input size.
            tensor: as the contract says, batch of one; rows may lie further apart than they are long.

        Raises:
            ValueError: it has another shape or dtype.
        """
        contract = self.plan.contract
        if tensor.shape != contract.tensor_shape or tensor.dtype != contract.dtype:
            raise ValueError(f"the tensor is {tensor.dtype} {list(tensor.shape)}, the contract says another")
        if contract.layout == "NCHW" and self.plan.channels:
            self._layout.write(rgb, tensor[0], self.plan.channels)
        else:
            self._layout.write(_ordered(rgb, contract), tensor[0])

    def _inner(self, image: Image) -> Pixels:
        size = (self.plan.fit.width_px, self.plan.fit.height_px)
        match image:
            case Yuv420Image():
                planes = cv2.merge([_scale(plane, size) for plane in (image.y, image.u, image.v)])
                return _pixels(cv2.transform(planes, self._matrix))
            case RgbImage():
                scaled = _scale(image.pixels, size)
                return scaled.copy() if image.order == "RGB" else _pixels(cv2.cvtColor(scaled, cv2.COLOR_BGR2RGB))


class TensorLayout:
    """Pixels become a tensor: (pixel - mean) * scale for each channel, laid out as the contract says."""

    def __init__(self, contract: ColourContract) -> None:
        self._contract = contract
        levels = np.arange(256, dtype=np.float64)
        each = zip(contract.means, contract.scales, strict=True)
        self._tables = [((levels - mean) * scale).astype(contract.dtype) for mean, scale in each]
        self._table = np.stack(self._tables, axis=-1)[None]

    def write(self, pixels: Pixels, tensor: npt.NDArray[np.generic], channels: tuple[int, ...] = ()) -> None:
        """Fill the tensor of one picture.

        Args:
            pixels: uint8[height, width, channels], or without the last axis where there is one channel.
            tensor: [channels, height, width] or [height, width, channels], of the contract's dtype.
            channels: NCHW alone: which channel of the pixels fills each of the tensor's; empty: in their order.
        """
        if self._contract.layout == "NHWC":
            _look_up(pixels, self._table, tensor)
            return
        order = channels or tuple(range(self._contract.channels))
        for channel, table, plane in zip(order, self._tables, tensor, strict=True):
            _look_up(pixels if pixels.ndim == 2 else cv2.extractChannel(pixels, channel), table, plane)


def tensors_of(pictures: Pixels, contract: ColourContract) -> npt.NDArray[np.generic]:
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


def _look_up(pixels: object, table: npt.NDArray[np.generic], out: npt.NDArray[np.generic]) -> None:
    """OpenCV writes in place where size and type fit, and elsewhere without a word where they do not."""
    made = cv2.LUT(pixels, table, out)  # type: ignore[call-overload]  # OpenCV's types know no float tables
    assert made.ctypes.data == out.ctypes.data, "written in place"


def _ordered(rgb: Pixels, contract: ColourContract) -> Pixels:
    """RGB pixels in the contract's order of channels."""
    match contract.order:
        case "RGB":
            return rgb
        case "BGR":
            return _pixels(cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR))
        case "GRAY":
            # BT.601 weights, whatever the source's matrix: what data sets in grey are made with.
            return _pixels(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY))


def _scale(plane: Pixels, size: tuple[int, int]) -> Pixels:
    """Average over the area when it gets smaller, interpolate when it gets larger. The input itself at its own size."""
    height, width = plane.shape[:2]
    if (width, height) == size:
        return plane
    smaller = width >= size[0] and height >= size[1]
    return _pixels(cv2.resize(plane, size, interpolation=cv2.INTER_AREA if smaller else cv2.INTER_LINEAR))


def _pixels(array: object) -> Pixels:
    assert isinstance(array, np.ndarray)
    return array
