"""The one conversion on RK3588's 2D engine: planes in memory that it reaches, scaled into the NPU's own input.

Only for a contract with `sampling = "any"`: RGA scales in its own way, which nobody has written down to the last level.
A frame's planes are copied once, from the decoder's memory into memory that RGA has mapped: to map each frame's own
would cost more than the copy. What it writes lies where the NPU reads it, in memory that the NPU's runtime has made.
Bars are the CPU's, once for each buffer: RGA2 alone fills, and does not reach all memory.
"""

from __future__ import annotations

import logging
import mmap
import threading
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from edgekit.device.runner.librga import (
    BGR_888,
    BT601_FULL,
    BT601_LIMITED,
    BT709_LIMITED,
    LEAST_HEIGHT_PX,
    LEAST_WIDTH_PX,
    MOST_PX,
    MOST_SCALE,
    NV12,
    NV21,
    RGB_888,
    STRIDE_BYTES,
    Librga,
    RgaJob,
    RgaLayout,
    RgaMemory,
    RgaRectangle,
)
from edgekit.device.runner.librknnrt import SYNC_FROM_DEVICE, SYNC_TO_DEVICE, BoundMemory
from edgekit.device.runner.tensors import Tensor
from edgekit.errors import EngineError
from edgekit.imaging.conversion import Converter
from edgekit.imaging.copying import copy_planes
from edgekit.imaging.image import FrameSpec, Image, Pixels, Yuv420Image, YuvFormat
from edgekit.imaging.place import write_bars
from edgekit.imaging.planning import Conversion
from edgekit.schema.source import Matrix, Range

_LOG = logging.getLogger("edgekit.rga")
_COLOURS: Mapping[tuple[Matrix, Range], int] = MappingProxyType(
    {("601", "limited"): BT601_LIMITED, ("601", "full"): BT601_FULL, ("709", "limited"): BT709_LIMITED}
)
_FORMATS = MappingProxyType({"RGB": RGB_888, "BGR": BGR_888})


def unfit_for_rga(plan: Conversion) -> str:
    """Why RGA3 does not carry a conversion out; empty: it does. Pure."""
    spec, contract, fit = plan.source, plan.contract, plan.fit
    if contract.sampling != "any":
        return f'sampling is "{contract.sampling}", and it scales in its own way'
    if not isinstance(spec, FrameSpec):
        return f"frames are {spec.order}, it is given Y'CbCr"
    if (spec.matrix, spec.range) not in _COLOURS:
        return f"it does not convert {spec.colours} exactly"
    if contract.order not in _FORMATS or contract.layout != "NHWC" or contract.dtype != "uint8" or contract.quantised:
        return "it writes RGB or BGR, 8 bit, interleaved"
    numbers = (spec.width_px, spec.height_px, fit.source_left_px, fit.source_top_px)
    if any(number % 2 for number in (*numbers, fit.source_width_px, fit.source_height_px)):
        return "it reads even places and sizes of 4:2:0 alone"
    sides = ((fit.source_width_px, fit.width_px), (fit.source_height_px, fit.height_px))
    if any(large > MOST_SCALE * small for pair in sides for large, small in (pair, pair[::-1])):
        return f"it scales by {MOST_SCALE} at most"
    widths, heights = zip((spec.width_px, spec.height_px), *zip(*sides, strict=True), strict=True)
    if min(widths) < LEAST_WIDTH_PX or min(heights) < LEAST_HEIGHT_PX or max(*widths, *heights) > MOST_PX:
        return f"it takes sides from {LEAST_WIDTH_PX}x{LEAST_HEIGHT_PX} to {MOST_PX}x{MOST_PX}"
    return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RgaTarget:
    """An input buffer of the NPU that RGA may write to."""

    tensor: Tensor
    """uint8[1, height, width, 3]: rows may lie further apart than they are long."""
    memory: BoundMemory

    @property
    def stride_px(self) -> int:
        """How far its rows lie apart."""
        return self.tensor.strides[1] // 3


class RgaPictures:
    """Makes executors of conversions for one engine of the NPU."""

    def __init__(
        self, rga: Librga, targets: Iterable[RgaTarget], reach: Callable[[Tensor], BoundMemory | None]
    ) -> None:
        """Prepare.

        Args:
            rga: carries them out.
            targets: every buffer that it may have to write to.
            reach: tells which of their memories an array is the picture of; None: of none.
        """
        self._rga, self._reach = rga, reach
        self._targets = tuple(targets)
        self._held = ExitStack()
        self._reached: Mapping[int, RgaMemory] | None = None
        self._mapping = threading.Lock()
        """Two streams may begin at once, each on a thread of the lane."""

    def filler(self, plan: Conversion) -> RgaFiller | None:
        """An executor of the plan, to be closed; None where RGA cannot carry it out, with the reason in the log."""
        reason = unfit_for_rga(plan)
        if not reason:
            try:
                return RgaFiller(self, plan)
            except EngineError as error:
                reason = f"{error.message}: {error.hint}"
        if plan.contract.sampling == "any":
            _LOG.warning("RGA does not convert these frames, the CPU does: %s", reason)
        return None

    def memory_of(self, tensor: Tensor) -> tuple[BoundMemory, RgaMemory] | None:
        """Where RGA writes a tensor, as NPU and as RGA know it; None: it does not reach it."""
        memory = self._reach(tensor)
        found = memory and self.reached.get(id(memory))
        return (memory, found) if memory and found else None

    @property
    def rga(self) -> Librga:
        """Carries conversions out."""
        return self._rga

    @property
    def reached(self) -> Mapping[int, RgaMemory]:
        """Every target as RGA knows it, by its memory; they are mapped once. Raises EngineError."""
        with self._mapping:
            if self._reached is None:
                found = {}
                for target in self._targets:
                    _, height, _, _ = target.tensor.shape
                    format_ = RGB_888  # a job says which order it writes; both take the same room
                    layout = RgaLayout(stride_px=target.stride_px, rows=height, format=format_)
                    memory = found[id(target.memory)] = self._rga.import_descriptor(target.memory.descriptor, layout)
                    self._held.callback(memory.close)
                self._reached = found
            return self._reached

    def close(self) -> None:
        """End all imports, before their memory goes. May be called twice."""
        self._held.close()
        self._reached = {}


class RgaFiller:
    """See `edgekit.imaging.conversion.TensorFiller`; for tensors that RGA does not reach, the CPU is asked."""

    def __init__(self, pictures: RgaPictures, plan: Conversion) -> None:
        """Take memory for one frame's planes, and ask whether RGA can do it.

        Raises:
            EngineError: it cannot, or does not reach the memory.
        """
        assert isinstance(plan.source, FrameSpec), "see unfit_for_rga"
        self._pictures, self._plan, spec = pictures, plan, plan.source
        self._otherwise = Converter(plan)
        self._room, self._planes, layout = _room(spec)
        reached = pictures.reached
        with ExitStack() as held:
            self._source = pictures.rga.import_address(self._room.ctypes.data, layout)
            held.callback(self._source.close)
            for target in reached.values():
                pictures.rga.check(self._job(target))
            self._held = held.pop_all()

    def fill(self, image: Image, tensor: npt.NDArray[np.generic], *, bars: bool = True) -> None:
        """See `TensorFiller.fill`. Sleeps until RGA is done.

        Raises:
            EngineError: RGA says so.
        """
        found = self._pictures.memory_of(tensor)
        if found is None:
            self._otherwise.fill(image, tensor[None], bars=bars)
            return
        if image.spec != self._plan.source or not isinstance(image, Yuv420Image):
            raise ValueError(f"the frame is {image.spec}, planned was {self._plan.source}")
        copy_planes(image, self._planes)
        if bars:
            write_bars(self._plan, tensor)
        memory, target = found
        # A line of the cache that was written to would come back over RGA's pixels; one that was read would hide them.
        # The driver's call behind it takes no state of the context, which may run. Source: rknpu_gem_sync_ioctl.
        memory.sync(SYNC_TO_DEVICE)
        self._pictures.rga.process(self._job(target))
        memory.sync(SYNC_FROM_DEVICE)

    def close(self) -> None:
        """End the import of its memory. May be called twice."""
        self._held.close()

    def _job(self, target: RgaMemory) -> RgaJob:
        spec, contract, fit = self._plan.source, self._plan.contract, self._plan.fit
        assert isinstance(spec, FrameSpec), "see unfit_for_rga"
        written = target.picture(contract.width_px, contract.height_px, _COLOURS[spec.matrix, spec.range])
        written.format = _FORMATS[contract.order]
        return RgaJob(
            source=self._source.picture(spec.width_px, spec.height_px),
            part=RgaRectangle(fit.source_left_px, fit.source_top_px, fit.source_width_px, fit.source_height_px),
            target=written,
            place=RgaRectangle(fit.left_px, fit.top_px, fit.width_px, fit.height_px),
        )


def _room(spec: FrameSpec) -> tuple[Pixels, Yuv420Image, RgaLayout]:
    """Memory for a frame's planes as RGA reads them, in whole pages: chroma in pairs right behind luma's last row."""
    stride = -(-spec.width_px // STRIDE_BYTES) * STRIDE_BYTES
    format_: YuvFormat = "NV21" if spec.format == "NV21" else "NV12"
    room = np.frombuffer(mmap.mmap(-1, stride * spec.height_px * 3 // 2), np.uint8)
    rows = room.reshape(-1, stride)[:, : spec.width_px]
    pairs = rows[spec.height_px :]
    first, second = pairs[:, 0::2], pairs[:, 1::2]
    u, v = (first, second) if format_ == "NV12" else (second, first)
    planes = Yuv420Image(y=rows[: spec.height_px], u=u, v=v, spec=replace(spec, format=format_))
    layout = RgaLayout(stride_px=stride, rows=spec.height_px, format=NV21 if format_ == "NV21" else NV12)
    return room, planes, layout
