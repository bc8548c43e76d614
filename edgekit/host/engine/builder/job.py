"""A job for a builder device, and what comes back. Frozen data."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edgekit.host.engine.model.answers import Answers
from edgekit.schema.building import BuildAnswer, BuildRequest, TrialAnswer
from edgekit.schema.facts import DeviceFacts
from edgekit.schema.recipe import ColourContract
from edgekit.schema.target import Accelerator, Target


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceJob:
    """An engine that a device shall compile."""

    name: str
    """The model's, for people."""
    key: str
    """Everything that can change the engine: the device keeps the job's folder under it."""
    target: Target
    accelerator: Accelerator
    request: BuildRequest
    model: bytes
    """The ONNX file that goes there."""
    calibration: str = ""
    """What ranges of int8 come from, for the manifest."""
    timing_cache: bytes
    """What such a device has timed before; may be empty."""
    input: ColourContract
    frames: npt.NDArray[np.generic]
    """What it is tried on: the model's inputs, [frames, ...]."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CompiledEngine:
    """What came back."""

    device: str
    facts: DeviceFacts
    engine: bytes
    timing_cache: bytes
    built: BuildAnswer
    tried: TrialAnswer
    answers: Answers
