"""How much memory a compiler may use on a board. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from edgekit.schema.target import Target

_WORKSPACE_BYTES = 1 << 30
"""Source: field reports, 4 and 8 GB boards compile with a workspace of 1 GiB or less."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """Memory that a compiler may use on a board, which shares it with everything else."""

    workspace_bytes: int
    tactic_bytes: int


def bounds_for(target: Target) -> Bounds:
    """Bounds by a target's memory, never by what is free at the moment: they change what comes out.

    An eighth of all, 1 GiB at most, for one layer's scratch memory; half of all for trying tactics, where TensorRT
    would take three quarters. Source: NvInfer.h, MemoryPoolType; field reports on both pools.
    """
    total = target.memory.total_bytes
    return Bounds(workspace_bytes=min(_WORKSPACE_BYTES, total // 8), tactic_bytes=total // 2)
