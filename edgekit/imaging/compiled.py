"""Carries out a planned conversion with edgekit's compiled kernel, where that is installed: one pass, any stride."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekit.imaging.image import Image, Yuv420Image
from edgekit.imaging.kernel_plan import KernelPlan, plan_kernel
from edgekit.imaging.place import inner_of, write_bars
from edgekit.imaging.planning import Conversion


def compiled_filler(plan: Conversion) -> CompiledFiller | None:
    """An executor of the plan; None where the kernel is not installed, or cannot carry it out."""
    kernel_plan = plan_kernel(plan)
    if kernel_plan is None:
        return None
    try:
        kernels = importlib.import_module("edgekit_kernels.picture")
    except ImportError:
        return None
    return CompiledFiller(plan, kernel_plan, kernels)


class CompiledFiller:
    """See `edgekit.imaging.conversion.TensorFiller`. Makes no memory for a frame, and holds no lock during it."""

    def __init__(self, plan: Conversion, kernel_plan: KernelPlan, kernels: Any) -> None:
        """Set the kernel up.

        Args:
            plan: the conversion.
            kernel_plan: what `plan_kernel` makes of it.
            kernels: `edgekit_kernels.picture`.
        """
        self._plan = plan
        self._kernel = kernels.PictureKernel(
            kernels.PicturePlan(
                y_columns=kernel_plan.y_columns,
                y_rows=kernel_plan.y_rows,
                c_columns=kernel_plan.c_columns,
                c_rows=kernel_plan.c_rows,
                colours=kernel_plan.colours,
                channels=kernel_plan.channels,
                scales=kernel_plan.gains,
                offsets=kernel_plan.offsets,
                tables=kernel_plan.tables,
                source_size=kernel_plan.source_size,
                chroma_size=kernel_plan.chroma_size,
            )
        )

    def fill(self, image: Image, tensor: npt.NDArray[np.generic], *, bars: bool = True) -> None:
        """See `TensorFiller.fill`."""
        if image.spec != self._plan.source or not isinstance(image, Yuv420Image):
            raise ValueError(f"the frame is {image.spec}, planned was {self._plan.source}")
        if bars:
            write_bars(self._plan, tensor)
        self._kernel(image.y, image.u, image.v, inner_of(self._plan, tensor))

    def close(self) -> None:
        """See `TensorFiller.close`."""
