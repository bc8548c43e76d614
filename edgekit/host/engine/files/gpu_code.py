"""Finds compiled GPU code in an engine file, and for which GPUs it is: the plan's header does not say it.

    cubin    an ELF file: machine 190 at +18, flags at +48, whose byte is the architecture (87 for SM 8.7)
    fatbin   50 ed 55 ba, u16 version, u16 header size, u64 size of what follows: entries, each
             u16 kind (1 PTX, 2 cubin), u16, u32 header size, u64 payload size; u32 architecture at +28

An engine may have its code packed, or none of its own where all kernels are the library's: then nothing is found, as in
plans that TensorRT-RTX 1.7.1 made of small networks. Source: the layout was measured on TensorRT's libraries, and lists
the architectures of TensorRT-RTX's; CUDA Binary Utilities, "What is a CUDA Binary".
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

_ELF, _MACHINE, _CUDA = b"\x7fELF\x02\x01", 18, 190
_FATBIN = b"\x50\xed\x55\xba"
_PTX, _CUBIN = 1, 2
_KINDS = (1, 2, 4, 8, 16)
_HEADER = range(32, 513)
_NEW_ABI = 8
"""From here on the architecture is the second byte of the flags."""


@dataclass(frozen=True, slots=True, order=True)
class GpuCode:
    """Code for one architecture."""

    major: int
    minor: int
    portable: bool
    """PTX, which the driver compiles for every later GPU."""

    def __str__(self) -> str:
        """`8.7`."""
        return f"{self.major}.{self.minor}"

    def runs_on(self, major: int, minor: int) -> bool:
        """Whether a GPU of a compute capability can run it. Source: CUDA programming guide, binary compatibility."""
        if self.portable:
            return (self.major, self.minor) <= (major, minor)
        return self.major == major and self.minor <= minor


def find_gpu_code(data: bytes) -> tuple[GpuCode, ...]:
    """All code that lies open in a file, each architecture once."""
    return tuple(sorted({*_cubins(data), *_fatbins(data)}))


def runs_on(code: tuple[GpuCode, ...], sm: str) -> bool:
    """Whether an engine with such code can be for a GPU (`8.7`); one that shows none can be for any."""
    major, _, minor = sm.partition(".")
    return not code or not sm or any(one.runs_on(int(major), int(minor)) for one in code)


def _cubins(data: bytes) -> Iterator[GpuCode]:
    at = data.find(_ELF)
    while 0 <= at <= len(data) - 52:
        if struct.unpack_from("<H", data, at + _MACHINE)[0] == _CUDA:
            (flags,) = struct.unpack_from("<I", data, at + 48)
            yield _code((flags >> 8 if data[at + 8] >= _NEW_ABI else flags) & 0xFF, portable=False)
        at = data.find(_ELF, at + len(_ELF))


def _fatbins(data: bytes) -> Iterator[GpuCode]:
    """Each byte is looked at once, so that a file made for it cannot make this take long."""
    start = data.find(_FATBIN)
    while 0 <= start <= len(data) - 16:
        header, size = struct.unpack_from("<HQ", data, start + 6)
        at, end = start + header, min(len(data), start + header + size)
        while at + 32 <= end:
            kind, _, own, payload = struct.unpack_from("<HHIQ", data, at)
            if kind not in _KINDS or own not in _HEADER:
                break
            if kind in (_PTX, _CUBIN):
                yield _code(struct.unpack_from("<I", data, at + 28)[0], portable=kind == _PTX)
            at += own + payload
        start = data.find(_FATBIN, max(start + len(_FATBIN), at))


def _code(architecture: int, *, portable: bool) -> GpuCode:
    major, minor = divmod(architecture, 10)
    return GpuCode(major, minor, portable)
