"""Compiles on the board itself: the programs that a builder device runs for a workstation.

The agent, `edgekit/sent/builder_agent.py`, is sent as text and needs Python alone: it holds the device's lock, takes
files, starts programs. Those are this folder; they travel with the packages that they need
(`edgekit/host/engine/builder/` sends all).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

Note = Callable[[str], None]
"""Called with a text at each phase of the work."""

COMPILERS: Mapping[str, str] = MappingProxyType(
    {"onnxruntime": "edgekit.device.builder.onnxruntime", "tensorrt": "edgekit.device.builder.tensorrt"}
)
"""Module of each kind of engine that is compiled on a device; it has `build(request, folder, note) -> BuildAnswer`."""
