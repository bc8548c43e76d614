"""A binding of librga, the board's own library for Rockchip's 2D engine RGA: its structures, its calls, its errors.

Nothing of the vendor's SDK is used. Source of names, layouts and numbers: airockchip/librga, include/im2d_type.h,
im2d_buffer.h, im2d_common.h, im2d_single.h and rga.h at 31e5e71 and 2b32edc, which agree (librga 1.10). Calls with
variable arguments and overloads are C++ there: only its plain C symbols are taken. What the hardware does: the same
repository's docs, "Developer Guide" 2.2.0, tables "Design Index" and "Image Format Alignment Instructions", and "FAQ"
1.1.3.

RK3588 has two kinds of it, that scale differently: two cores of RGA3, and one of RGA2, which reaches no memory above
4 GiB (airockchip/librga#49, #120). Jobs here run on RGA3 alone, so that a picture is the same each time.
"""

from __future__ import annotations

import ctypes as c
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from edgekit.errors import EngineError, InputError

LIBRARIES = ("librga.so.2", "librga.so", "/usr/lib/librga.so", "/usr/lib/aarch64-linux-gnu/librga.so")
"""Debian's name comes first: package librga2 has no other."""
RGB_888, BGR_888, NV12, NV21 = 0x2 << 8, 0x7 << 8, 0xA << 8, 0xE << 8
"""`RK_FORMAT_RGB_888`, `_BGR_888`, `_YCbCr_420_SP`, `_YCrCb_420_SP`: in the order that bytes lie in memory."""
BT601_LIMITED, BT601_FULL, BT709_LIMITED = 1, 2, 3
"""`IM_YUV_TO_RGB_BT601_LIMIT`, `_BT601_FULL`, `_BT709_LIMIT`. RGA3 computes with 10 bits behind the point: levels may
be off by one. Source: FAQ, A2.13."""
STRIDE_BYTES = 16
"""What RGA3 wants rows to be a multiple of: 16 pixels of RGB, 16 samples of luma."""
LEAST_WIDTH_PX, LEAST_HEIGHT_PX, MOST_PX, MOST_SCALE = 68, 2, 8128, 8
"""Sides of what RGA3 reads and writes, and how many times larger or smaller it makes a picture."""
_RASTER, _OPAQUE = 1, 0xFF
_SYNC = 1 << 19
"""`IM_SYNC`: the calling thread sleeps in the driver until the picture is written. With fences it would only have to
wait elsewhere: whoever comes next reads the picture."""
_CONFIG_CORE, _RGA3_CORES = 0, 0b11
_QUERY_VERSION = 1
_SUCCESS, _NO_ERROR = 1, 2
_LOG = "see the kernel's log: dmesg | grep -i rga"
_FAILURES: Mapping[int, tuple[str, str]] = MappingProxyType(
    {
        0: ("it failed", _LOG),
        -1: ("this RGA cannot do it", 'leave sampling = "any" out: the CPU converts frames then'),
        -2: ("there is not enough memory", "raise limits.memory_max, or take a smaller model"),
        -3: ("a parameter is not valid", "report this"),
        -4: ("a parameter is refused", "report this"),
        -5: ("the library does not fit the kernel's driver", "install librga and kernel of one image of the board's"),
        -6: ("the driver gives no session", "let the service's account open /dev/rga: groups video and render"),
    }
)
"""`IM_STATUS`."""


class RgaBuffer(c.Structure):
    """`rga_buffer_t`."""

    _fields_ = (
        ("address", c.c_void_p),
        ("physical", c.c_void_p),
        ("descriptor", c.c_int),
        ("width", c.c_int),
        ("height", c.c_int),
        ("stride_px", c.c_int),
        ("stride_rows", c.c_int),
        ("format", c.c_int),
        ("colours", c.c_int),
        ("alpha", c.c_int),
        ("read_mode", c.c_int),
        ("fill", c.c_int),
        ("colour_key", c.c_int * 2),
        ("quantisation", c.c_int * 6),
        ("raster_operation", c.c_int),
        ("handle", c.c_uint32),
    )


class RgaRectangle(c.Structure):
    """`im_rect`."""

    _fields_ = (("x", c.c_int), ("y", c.c_int), ("width", c.c_int), ("height", c.c_int))


class RgaLayout(c.Structure):
    """`im_handle_param_t`: how a picture lies in memory that is imported."""

    _fields_ = (("stride_px", c.c_uint32), ("rows", c.c_uint32), ("format", c.c_uint32))


@dataclass(frozen=True, slots=True, kw_only=True)
class RgaJob:
    """A part of one picture becomes a part of another one."""

    source: RgaBuffer
    part: RgaRectangle
    target: RgaBuffer
    place: RgaRectangle


_CALLS: Mapping[str, tuple[Any, tuple[Any, ...]]] = MappingProxyType(
    {
        "querystring": (c.c_char_p, (c.c_int,)),
        "importbuffer_fd": (c.c_uint32, (c.c_int, c.POINTER(RgaLayout))),
        "importbuffer_virtualaddr": (c.c_uint32, (c.c_void_p, c.POINTER(RgaLayout))),
        "releasebuffer_handle": (c.c_int, (c.c_uint32,)),
        "imconfig": (c.c_int, (c.c_int, c.c_uint64)),
        "imcheck_t": (c.c_int, (*(RgaBuffer,) * 3, *(RgaRectangle,) * 3, c.c_int)),
        "improcess": (c.c_int, (*(RgaBuffer,) * 3, *(RgaRectangle,) * 3, c.c_int)),
        "imStrError_t": (c.c_char_p, (c.c_int,)),
    }
)


def open_rga(candidates: Iterable[str] = LIBRARIES) -> Librga:
    """Load the board's library.

    Raises:
        InputError: it is not there, lacks a call, or finds no RGA3.
    """
    tried = []
    for name in candidates:
        try:
            return Librga(c.CDLL(name))
        except OSError as error:
            tried.append(str(error))
        except AttributeError as error:
            raise InputError(
                f"{name} is too old: {error}", hint="install the board maker's librga2, 1.9 or newer"
            ) from None
    raise InputError(
        f"librga.so cannot be loaded: {tried[0] if tried else 'no place to look'}",
        hint="install the board maker's package librga2",
    )


class Librga:
    """The loaded library. Its calls leave the interpreter's lock while they run; any number of threads may use it."""

    def __init__(self, library: c.CDLL) -> None:
        self._calls: dict[str, Any] = {name: getattr(library, name) for name in _CALLS}
        for name, call in self._calls.items():
            call.restype, call.argtypes = _CALLS[name]
        text: bytes = self._calls["querystring"](_QUERY_VERSION) or b""
        self.version = " ".join(text.decode(errors="replace").split())
        """What it tells of itself: `RGA_api version : v1.10.1_[0] RGA version : RGA_2_Enhance RGA_3`."""
        if "RGA_3" not in self.version:
            told = self.version or "nothing"
            raise InputError(
                f"librga finds no RGA3: it tells {told}",
                hint="boot the board maker's kernel, and let the service's account open /dev/rga: group video",
            )

    def import_descriptor(self, descriptor: int, layout: RgaLayout) -> RgaMemory:
        """Let RGA reach a dma-buf. Whoever writes or reads it with the CPU keeps caches right. Raises EngineError."""
        return self._imported("importbuffer_fd", descriptor, layout)

    def import_address(self, address: int, layout: RgaLayout) -> RgaMemory:
        """Let RGA reach memory of this process; the driver keeps caches right around each job. Raises EngineError."""
        return self._imported("importbuffer_virtualaddr", address, layout)

    def check(self, job: RgaJob) -> None:
        """Ask whether RGA can do it. Raises EngineError where it cannot."""
        self._run("imcheck_t", job, _NO_ERROR, 0)

    def process(self, job: RgaJob) -> None:
        """Do it; the thread sleeps until it is done. Raises EngineError."""
        # The choice of cores belongs to a thread; it is a variable, not a call into the kernel.
        self._check("imconfig", self._calls["imconfig"](_CONFIG_CORE, _RGA3_CORES), _SUCCESS)
        self._run("improcess", job, _SUCCESS, _SYNC)

    def release(self, handle: int) -> None:
        """End an import. Raises EngineError."""
        self._check("releasebuffer_handle", self._calls["releasebuffer_handle"](handle), _SUCCESS)

    def _run(self, name: str, job: RgaJob, wanted: int, usage: int) -> None:
        nothing, nowhere = RgaBuffer(), RgaRectangle()
        found = self._calls[name](job.source, job.target, nothing, job.part, job.place, nowhere, usage)
        self._check(name, found, wanted)

    def _imported(self, name: str, memory: int, layout: RgaLayout) -> RgaMemory:
        handle = self._calls[name](memory, c.byref(layout))
        if not 0 < handle < 1 << 31:  # it answers errors with 0, or with a negative status
            self._check(name, c.c_int32(handle).value, _SUCCESS)
        return RgaMemory(self, handle, layout)

    def _check(self, name: str, status: int, wanted: int) -> None:
        if status == wanted:
            return
        reason, hint = _FAILURES.get(status, ("it gave an unknown status", _LOG))
        told = (self._calls["imStrError_t"](status) or b"").decode(errors="replace")
        raise EngineError(f"{name}: {reason} ({status})", hint=hint, details=told)


class RgaMemory:
    """Memory that RGA reaches, and the picture in it."""

    def __init__(self, rga: Librga, handle: int, layout: RgaLayout) -> None:
        self._rga, self._handle, self._layout = rga, handle, layout

    def picture(self, width: int, height: int, colours: int = 0) -> RgaBuffer:
        """As a job takes it.

        Args:
            width: in pixels, without what rows have beyond.
            height: in rows.
            colours: what RGB is made with, where this is what is written.
        """
        layout = self._layout
        return RgaBuffer(
            width=width,
            height=height,
            stride_px=layout.stride_px,
            stride_rows=layout.rows,
            format=layout.format,
            colours=colours,
            alpha=_OPAQUE,
            read_mode=_RASTER,
            handle=self._handle,
        )

    def close(self) -> None:
        """End the import, before the memory goes. May be called twice."""
        if self._handle:
            handle, self._handle = self._handle, 0
            self._rga.release(handle)
