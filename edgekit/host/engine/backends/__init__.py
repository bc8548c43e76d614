"""One file per accelerator: how its engines are made. `BACKENDS` finds the right one.

Each module has `plan_engine(source: ModelSource, bench: EngineBench)`, which gives a `Compilation` for `making.py` to
walk through, or the `Engine` itself where nothing has to be compiled. Its other half is the file of the same name in
`device/runner/`. `on_device.py` is what those share whose engines a builder device compiles.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from edgekit.schema.target import AcceleratorKind

BACKENDS: Mapping[AcceleratorKind, str] = MappingProxyType(
    {
        "onnxruntime": "edgekit.host.engine.backends.onnxruntime",
        "rknn": "edgekit.host.engine.backends.rknn",
        "tensorrt": "edgekit.host.engine.backends.tensorrt",
    }
)
"""Module of each kind of engine that can be made."""
