"""The plan of the one conversion between a source's frames and a model's input: made before the first frame. Pure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgekit.errors import InputError
from edgekit.imaging.fit import Fit, plan_fit
from edgekit.imaging.image import FrameSpec, ImageSpec
from edgekit.imaging.matrices import Rows, limited_to_full, yuv_to_rgb
from edgekit.imaging.sampling import Part, PlaneSampling, sample_chroma, sample_luma
from edgekit.schema.recipe import ColourContract


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversion:
    """All that is decided before the first frame. Whatever carries it out gives the same tensor, to one level.

    A frame of Y'CbCr becomes a tensor in four steps; `portable.PortableFiller` is the reference for each:

    1. **Sample.** `luma` says which samples of Y become the picture in the input, `chroma` which of Cb and Cr, each
       plane by itself; see `PlaneSampling` for positions and rounding. The result is three planes of
       `fit.width_px` x `fit.height_px`, 8 bit: it is rounded before any colour is computed.
    2. **Colour.** `(R, G, B) = matrix @ (Y, Cb, Cr, 1)` of the 8-bit samples, in any arithmetic whose error stays
       below a quarter of a level (float32, or fixed point with 13 bits behind the point), clamped to 0..255 and
       rounded to the nearest level. The portable one is off by up to 1.11 in green; one level is allowed.
       Frames of pixels have no chroma: their channels are sampled alike, as `luma` says, and `expand` gives full range.
       A tensor of one channel takes grey: `(9798 * R + 19235 * G + 3735 * B + 16384) >> 15`.
    3. **Value.** Channel i of the tensor is `level * gains[i] + offsets[i]` of the rounded level of
       R, G, B number `channels[i]`; float32 as computed (float32 may skip the rounding of the level), whole numbers
       rounded to the nearest even and clamped to what the dtype holds.
    4. **Place.** The picture lies at `fit.left_px`, `fit.top_px` of the input; every other pixel of each channel is
       `bars[i]`. Bars are written unless the caller knows that the memory holds them: see `around`.

    The tensor is one picture of `contract.tensor_shape`, of `contract.dtype`; its rows may lie further apart than they
    are long.
    """

    source: ImageSpec
    contract: ColourContract
    fit: Fit
    """Where the picture lies in the input, and which part of the frame it is."""
    luma: PlaneSampling
    """Of Y, or of interleaved pixels."""
    chroma: PlaneSampling | None
    """Of Cb and Cr; None where the source has pixels."""
    matrix: Rows | None
    """Y'CbCr to R'G'B'; None where the source has pixels."""
    expand: tuple[float, float]
    """Factor and offset that give pixels full range: (1, 0) where they have it, and for Y'CbCr."""
    channels: tuple[int, ...]
    """Which of R, G, B fills each of the tensor's channels; empty for GRAY."""
    gains: tuple[float, ...]
    """Of each of the tensor's channels."""
    offsets: tuple[float, ...]
    bars: tuple[float, ...]
    """What each of the tensor's channels holds beside the picture, as the tensor holds it."""

    @property
    def around(self) -> tuple[object, ...]:
        """What lies around the picture, and where: tensors of equal ones have the same bars."""
        fit, contract = self.fit, self.contract
        picture = (fit.left_px, fit.top_px, fit.width_px, fit.height_px)
        return (*picture, contract.width_px, contract.height_px, contract.layout, contract.dtype, self.bars)

    @property
    def is_boxed(self) -> bool:
        """Whether there are bars."""
        return (self.fit.width_px, self.fit.height_px) != (self.contract.width_px, self.contract.height_px)


def plan_conversion(source: ImageSpec, contract: ColourContract) -> Conversion:
    """Decide how frames of a source become a model's input.

    Raises:
        InputError: the contract contradicts itself.
    """
    _check(contract)
    fit = plan_fit(source.width_px, source.height_px, contract)
    area = contract.sampling == "area"
    luma = sample_luma(
        Part(
            left=fit.source_left_px,
            top=fit.source_top_px,
            width=fit.source_width_px,
            height=fit.source_height_px,
            out_width=fit.width_px,
            out_height=fit.height_px,
        ),
        area=area,
    )
    coded = isinstance(source, FrameSpec)
    channels = {"RGB": (0, 1, 2), "BGR": (2, 1, 0), "GRAY": ()}[contract.order]
    return Conversion(
        source=source,
        contract=contract,
        fit=fit,
        luma=luma,
        chroma=sample_chroma(luma, area=area) if coded else None,
        matrix=yuv_to_rgb(source.matrix, source.range) if isinstance(source, FrameSpec) else None,
        expand=limited_to_full() if not coded and source.range == "limited" else (1.0, 0.0),
        channels=channels,
        gains=contract.gains,
        offsets=contract.offsets,
        bars=_bars(contract, channels),
    )


def value_of(level: int, gain: float, offset: float, contract: ColourContract) -> float:
    """A level of a channel as the tensor holds it."""
    if contract.dtype == "float32":  # without an offset as whole planes are multiplied, to the last bit
        return level * gain + offset if offset else float(np.float32(level) * np.float32(gain))
    low, high = (0, 255) if contract.dtype == "uint8" else (-128, 127)
    return float(min(max(round(level * gain + offset), low), high))


def _bars(contract: ColourContract, channels: tuple[int, ...]) -> tuple[float, ...]:
    red, green, blue = contract.bar_colour
    grey = (9798 * red + 19235 * green + 3735 * blue + 16384) >> 15
    levels = [(red, green, blue)[channel] for channel in channels] or [grey]
    each = zip(levels, contract.gains, contract.offsets, strict=True)
    return tuple(value_of(level, gain, offset, contract) for level, gain, offset in each)


def _check(contract: ColourContract) -> None:
    """Raise InputError where a contract contradicts itself; a recipe that was checked holds none that does."""
    for what, numbers in (("means", contract.means), ("scales", contract.scales)):
        if len(numbers) != contract.channels:
            raise _contradiction(
                f"{len(numbers)} {what} for {contract.channels} channels", "give one number, or one per channel"
            )
    plain = not any(contract.means) and all(scale == 1.0 for scale in contract.scales)
    if contract.dtype == "uint8" and contract.quantised is None and not plain:
        raise _contradiction(
            "uint8 with a scale or a mean", 'leave scale and mean out, give quantised, or write dtype = "float32"'
        )
    if contract.dtype == "int8" and contract.quantised is None:
        raise _contradiction("int8, and not what its numbers stand for", "give quantised = { scale, zero_point }")
    if contract.dtype == "float32" and contract.quantised is not None:
        raise _contradiction("quantised float32", 'leave quantised out, or write dtype = "int8" or "uint8"')
    if contract.width_px < 1 or contract.height_px < 1:
        raise _contradiction(f"{contract.width_px}x{contract.height_px} pixels", "give the model's input size")


def _contradiction(what: str, hint: str) -> InputError:
    return InputError(f"the model's input contract says {what}", hint=hint, cause="colour_mismatch")
