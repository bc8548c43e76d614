"""One file per accelerator: how its engines are made. `choose_backend` and `BACKENDS` find the right one.

Each module has `plan_engine(source: ModelSource, bench: EngineBench)`, which gives a `Compilation` for `making.py` to
walk through, or the `Engine` itself where nothing has to be compiled. Its other half is the file of the same name in
`device/runner/`. `on_device.py` is what those share whose engines a builder device compiles.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from edgekit.schema.recipe import Model
from edgekit.schema.target import AcceleratorKind, Target

BACKENDS: Mapping[AcceleratorKind, str] = MappingProxyType(
    {
        "onnxruntime": "edgekit.host.engine.backends.onnxruntime",
        "rknn": "edgekit.host.engine.backends.rknn",
        "tensorrt": "edgekit.host.engine.backends.tensorrt",
    }
)
"""Module of each kind of engine that can be made."""
_PREFERRED: tuple[AcceleratorKind, ...] = ("rknn", "tensorrt")


def choose_backend(target: Target, model: Model | None = None) -> AcceleratorKind:
    """The kind of engine for a target: its NPU's or GPU's where it has one, else ONNX Runtime's on the CPU.

    A model that takes no picture runs on the CPU of every board: a microphone's, or a sensor's, is small.
    """
    if model is not None and model.input is None:
        return "onnxruntime"
    kinds = {accelerator.kind for accelerator in target.accelerators}
    return next((kind for kind in _PREFERRED if kind in kinds), "onnxruntime")
