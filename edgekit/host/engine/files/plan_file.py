"""Reads the header of a TensorRT engine ("plan") without TensorRT.

    0    tag: "ftrt"; "vtrt" in a plan of TensorRT-RTX
    4    u32 serialization version: 0 is the only one that trtexec takes
    16   u64 size of the whole plan
    24   four bytes: TensorRT's major, minor, patch and build (its lowest byte)
    28   "vtrt" again, in a plan of TensorRT-RTX

The header is 64 bytes, little-endian. Neither the SM nor the platform nor the tensors stand at a known place in it:
whoever needs them must record them beside the engine.

Source: tag, serialization version and version bytes: NVIDIA/TensorRT, samples/common/sampleEngines.cpp,
printPlanVersion. The size and the second tag: measured on plans of TensorRT-RTX 1.7.1. TensorRT itself (8.6 to 11) is
known to compare a size in the header with the file's, not where it holds it: a size at 16 that differs is kept as
`size`, and is a fault in a plan of TensorRT-RTX only, of which the header's length was measured too. TensorRT 8.5
writes archives of another layout ("ptrt"), as every version does for timing caches.
"""

from __future__ import annotations

import json
import os
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

_HEADER = 64
_TENSORRT, _RTX, _ARCHIVE = b"ftrt", b"vtrt", b"ptrt"
_MAX_PREFIX_BYTES = 1 << 20
"""The JSON in front of an engine of Ultralytics has a few KB."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanFile:
    """The facts of an engine file."""

    bytes: int
    """Of the whole file."""
    version: tuple[int, int, int, int]
    """Of TensorRT: major, minor, patch, and the lowest byte of the build."""
    rtx: bool
    """Made by TensorRT-RTX, for desktop GPUs: its versions are its own, and no Jetson loads it."""
    size: int
    """What the header holds where TensorRT-RTX keeps the plan's size; not documented for TensorRT."""
    offset: int
    """Where the plan begins: behind the JSON that Ultralytics writes in front; else 0."""

    @property
    def toolkit(self) -> str:
        """For messages: `TensorRT 10.3.0`. Left out is the build number, of which the header has one byte alone."""
        return f"{'TensorRT-RTX' if self.rtx else 'TensorRT'} {'.'.join(map(str, self.version[:3]))}"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanFault:
    """Why a file is no engine, in words."""

    reason: str


class _BadPlan(Exception):
    """Raised by the readers below, and caught in `parse_plan`."""


def read_plan(path: Path) -> PlanFile | PlanFault:
    """Read a file. Whatever it holds, the answer is a value."""
    try:
        with path.open("rb") as stream:
            return parse_plan(stream)
    except OSError as error:
        return PlanFault(reason=error.strerror or "it cannot be read")


def parse_plan(stream: BinaryIO) -> PlanFile | PlanFault:
    """Read an open file; see `read_plan`."""
    try:
        return _read(stream)
    except _BadPlan as fault:
        return PlanFault(reason=str(fault))


def is_plan(stream: BinaryIO) -> bool:
    """Whether a file begins as an engine or a timing cache of TensorRT does, whole or not."""
    offset = _prefix(stream)
    return _at(stream, offset, 4) in (_TENSORRT, _RTX, _ARCHIVE)


def is_timing_cache(data: bytes) -> bool:
    """Whether bytes begin as what TensorRT has timed does."""
    return data.startswith(_ARCHIVE)


def _read(stream: BinaryIO) -> PlanFile:
    total = stream.seek(0, os.SEEK_END)
    offset = _prefix(stream)
    head = _at(stream, offset, _HEADER)
    tag = head[:4]
    if tag == _ARCHIVE:
        raise _BadPlan("it is a timing cache, or an engine of TensorRT 8.5 or older, which says nothing of itself")
    if tag not in (_TENSORRT, _RTX):
        raise _BadPlan("it does not begin as a TensorRT engine does" if total else "it is empty")
    if len(head) < _HEADER:
        raise _BadPlan("it is cut short in its header")
    serialization, size = struct.unpack_from("<I8xQ", head, 4)
    rtx = tag == _RTX
    _check(head, serialization, rtx)
    if rtx and size != total - offset:
        raise _BadPlan(f"it has {total - offset} bytes, and its header says {size}: it is cut short or damaged")
    major, minor, patch, build = head[24:28]
    return PlanFile(bytes=total, version=(major, minor, patch, build), rtx=rtx, size=size, offset=offset)


def _check(head: bytes, serialization: int, rtx: bool) -> None:
    if serialization:
        raise _BadPlan(f"its layout has version {serialization}, and only 0 is known")
    if not head[24]:
        raise _BadPlan("it is damaged: it names no version of TensorRT")
    if rtx and head[28:32] != _RTX:
        raise _BadPlan("it is damaged: the second tag of its header is missing")


def _prefix(stream: BinaryIO) -> int:
    """Bytes in front of the plan: u32 length and JSON of that length. Source: field reports on Ultralytics' exports."""
    front = _at(stream, 0, 5)
    if len(front) < 5 or front[4:] != b"{":
        return 0
    (length,) = struct.unpack_from("<I", front)
    if length > _MAX_PREFIX_BYTES:
        return 0
    try:
        json.loads(_at(stream, 4, length))
    except (ValueError, RecursionError):
        return 0
    return 4 + int(length)


def _at(stream: BinaryIO, offset: int, size: int) -> bytes:
    stream.seek(offset)
    return stream.read(size)
