"""The one conversion on the GPU: planes in memory that it reaches, through a kernel of the release, into the input.

A frame's planes are copied once, from the decoder's memory into pinned memory: the GPU cannot reach the first. What it
writes lies where the engine reads it. The thread sleeps until it is done, so that whatever looks at a frame's tensor
afterwards finds it there.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from edgekit.device.runner.cuda import DeviceBuffer, Gpu, HostBuffer
from edgekit.device.runner.cuda_streams import OrdinaryStream
from edgekit.device.runner.tensors import Tensor
from edgekit.errors import EngineError
from edgekit.imaging.conversion import Converter
from edgekit.imaging.image import Image, Yuv420Image
from edgekit.imaging.kernel_plan import KernelPlan, plan_kernel
from edgekit.imaging.planning import Conversion
from edgekit.schema.plan import PICTURE_KERNEL

_BLOCK = (32, 8, 1)
_OUTPUTS = {"uint8": 0, "float32": 1}
_BY_TABLE = 2
_Long, _Int, _Float, _Address = ctypes.c_int64, ctypes.c_int32, ctypes.c_float, ctypes.c_uint64


class PictureJob(ctypes.Structure):
    """`picture_job` of picture.cu."""

    _fields_ = (
        ("planes", _Address * 3),
        ("row_bytes", _Long * 3),
        ("y_columns", _Address),
        ("y_rows", _Address),
        ("c_columns", _Address),
        ("c_rows", _Address),
        ("out", _Address),
        ("out_row_bytes", _Long),
        ("out_pixel_bytes", _Long),
        ("out_channel_bytes", _Long),
        ("tables", _Address * 3),
        ("width", _Int),
        ("height", _Int),
        ("left", _Int),
        ("top", _Int),
        ("input_width", _Int),
        ("input_height", _Int),
        ("channels", _Int),
        ("output", _Int),
        ("source", _Int * 3),
        ("colours", _Int * 8),
        ("scale", _Float * 3),
        ("offset", _Float * 3),
        ("bars", ctypes.c_uint32 * 3),
    )


class GpuPictures:
    """Makes executors of conversions for the engines of one GPU."""

    def __init__(self, gpu: Gpu, cubin: bytes, reach: Callable[[Tensor], int | None]) -> None:
        """Load the kernel. The context must be current.

        Args:
            gpu: runs it.
            cubin: has it.
            reach: tells the device's address of an array; None for memory that the GPU does not reach.

        Raises:
            EngineError: it is not for this GPU.
        """
        self._gpu, self._reach = gpu, reach
        try:
            self._module: Any = gpu.cuda.module_from_buffer(cubin)
            self._kernel: Any = self._module.get_function(PICTURE_KERNEL)
        except gpu.cuda.Error as error:
            raise EngineError(
                f"this GPU (SM {gpu.capability}) does not take the release's kernel for frames: {error}",
                hint="build the release for this board's target",
            ) from None

    def filler(self, plan: Conversion) -> GpuFiller | None:
        """An executor of the plan, to be closed; None where the kernel cannot carry it out."""
        kernel_plan = plan_kernel(plan)
        if kernel_plan is None:
            return None
        with self._gpu.current():
            return GpuFiller(GpuKernel(self._gpu, self._kernel, self._reach), plan, kernel_plan)


@dataclass(frozen=True, slots=True)
class GpuKernel:
    """A loaded kernel and the GPU that runs it."""

    gpu: Gpu
    function: Any
    reach: Callable[[Tensor], int | None]


class GpuFiller:
    """See `edgekit.imaging.conversion.TensorFiller`; for tensors that the GPU does not reach, another one is asked."""

    def __init__(self, kernel: GpuKernel, plan: Conversion, kernel_plan: KernelPlan) -> None:
        """Take memory for one frame's planes. The context must be current."""
        self._gpu, self._kernel, self._plan = kernel.gpu, kernel, plan
        gpu = kernel.gpu
        self._otherwise = Converter(plan)
        width, height = plan.contract.width_px, plan.contract.height_px
        self._grid = (-(-width // _BLOCK[0]), -(-height // _BLOCK[1]), 1)
        with ExitStack() as held:
            self._stream = OrdinaryStream(gpu)
            held.callback(self._stream.close)
            sizes = (kernel_plan.source_size, kernel_plan.chroma_size, kernel_plan.chroma_size)
            self._planes = [_pinned(gpu, held, size[::-1], np.uint8) for size in sizes]
            self._job_memory = _pinned(gpu, held, (ctypes.sizeof(PictureJob),), np.uint8)
            self._job = PictureJob.from_buffer(memoryview(cast("bytes", self._job_memory.array)))
            self._describe(kernel_plan, held)
            self._held = held.pop_all()

    def fill(self, image: Image, tensor: npt.NDArray[np.generic], *, bars: bool = True) -> None:
        """See `TensorFiller.fill`; bars are always written. Sleeps until the GPU is done."""
        address = self._kernel.reach(tensor)
        if address is None:
            self._otherwise.fill(image, tensor[None], bars=bars)
            return
        if image.spec != self._plan.source or not isinstance(image, Yuv420Image):
            raise ValueError(f"the frame is {image.spec}, planned was {self._plan.source}")
        for own, plane in zip(self._planes, (image.y, image.u, image.v), strict=True):
            np.copyto(own.array, plane)
        strides = tensor.strides if self._plan.contract.layout == "NCHW" else (tensor.strides[2], *tensor.strides[:2])
        job = self._job
        job.out, job.out_channel_bytes, job.out_row_bytes, job.out_pixel_bytes = address, *strides
        with self._gpu.current():
            self._kernel.function(
                np.uintp(self._job_memory.address), block=_BLOCK, grid=self._grid, stream=self._stream.own
            )
            self._stream.mark()
            self._stream.wait()

    def close(self) -> None:
        """Free its memory. May be called twice."""
        with self._gpu.current():
            self._held.close()

    def _describe(self, plan: KernelPlan, held: ExitStack) -> None:
        """Write what is the same for every frame."""
        job, fit, contract = self._job, self._plan.fit, self._plan.contract
        for index, plane in enumerate(self._planes):
            job.planes[index], job.row_bytes[index] = plane.address, plane.array.strides[0]
        for name in ("y_columns", "y_rows", "c_columns", "c_rows"):
            setattr(job, name, self._uploaded(getattr(plan, name), held))
        job.width, job.height, job.left, job.top = fit.width_px, fit.height_px, fit.left_px, fit.top_px
        job.input_width, job.input_height = contract.width_px, contract.height_px
        job.channels = len(plan.channels) or 1
        job.output = _OUTPUTS[contract.dtype] if plan.tables is None else _BY_TABLE
        job.colours[:] = plan.colours
        bars = np.array(self._plan.bars, contract.dtype)
        for channel in range(job.channels):
            job.source[channel] = plan.channels[channel] if plan.channels else 0
            job.scale[channel], job.offset[channel] = plan.gains[channel], plan.offsets[channel]
            job.bars[channel] = int.from_bytes(bars[channel].tobytes(), "little")
            if plan.tables is not None:
                job.tables[channel] = self._uploaded(plan.tables[channel], held)

    def _uploaded(self, array: Tensor, held: ExitStack) -> int:
        buffer = DeviceBuffer(self._gpu, array.shape, array.dtype)
        held.callback(buffer.free)
        np.copyto(buffer.array, array)
        buffer.give(self._stream)
        self._stream.mark()
        self._stream.wait()
        return buffer.address


def _pinned(gpu: Gpu, held: ExitStack, shape: tuple[int, ...], dtype: npt.DTypeLike) -> HostBuffer:
    buffer = HostBuffer(gpu, shape, dtype)
    held.callback(buffer.free)
    return buffer
