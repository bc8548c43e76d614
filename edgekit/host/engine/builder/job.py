"""What a builder device is sent for one engine, and what may come back of it. Frozen data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edgekit.schema.building import BuildRequest
from edgekit.schema.recipe import ColourContract
from edgekit.schema.target import Accelerator, Target


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceJob:
    """An engine for a device to compile."""

    name: str
    """The model's, for people."""
    key: str
    """Cache key of the engine: names the job's folder on the device too."""
    target: Target
    accelerator: Accelerator
    request: BuildRequest
    model: bytes
    """The ONNX file that goes there."""
    timing_cache: bytes
    """What such a device has timed before; may be empty."""
    input: ColourContract
    frames: npt.NDArray[np.generic]
    """What it is tried on: the model's inputs, [frames, ...]."""
    outputs: Mapping[str, tuple[int, ...]]
    """The shape of each output on all frames, [frames, ...]: nothing else is taken for the engine's answers."""
