"""Makes patches with liblzma: Python's own `lzma` has no way to begin with a dictionary. See `edgekit.schema.patch`.

Source: XZ Utils, liblzma's lzma/lzma12.h (lzma_options_lzma), lzma/filter.h (lzma_raw_buffer_encode).
"""

from __future__ import annotations

import ctypes
import ctypes.util
import functools
import lzma
from collections.abc import Mapping

from edgekit.schema.arm64_code import to_absolute
from edgekit.schema.patch import PatchKind, dictionary_bytes

_PRESET = 6
_NICE_BYTES = 273
"""LZMA's longest match: patches consist of long ones."""
_AARCH64 = b"\x7fELF", b"\xb7\x00"
"""How such a file begins, and its machine at byte 18. Source: elf.h, EM_AARCH64."""
_INSTRUCTIONS = {"lc": 0, "lp": 2, "pb": 2}
"""Instructions of four bytes each: what stands at the same byte of them is alike, more than what stands before.

That is no text, which is LZMA's usual; a patch says it to who applies it.
"""
_FILTER_LZMA2, _FILTERS_END = 0x21, 0xFFFFFFFFFFFFFFFF
_OK, _BUFFER_TOO_SMALL = 0, 10


class _Options(ctypes.Structure):
    """`lzma_options_lzma` up to and with its reserved members."""

    _fields_ = (
        ("dict_size", ctypes.c_uint32),
        ("preset_dict", ctypes.c_char_p),
        ("preset_dict_size", ctypes.c_uint32),
        *((name, ctypes.c_uint32) for name in ("lc", "lp", "pb", "mode", "nice_len", "mf", "depth")),
        ("reserved", ctypes.c_uint32 * 16),
        ("reserved_pointers", ctypes.c_void_p * 4),
    )


class _Filter(ctypes.Structure):
    """`lzma_filter`."""

    _fields_ = (("id", ctypes.c_uint64), ("options", ctypes.c_void_p))


def can_patch() -> bool:
    """Whether this machine can make patches against a base: it has liblzma as a library of its own."""
    return _library() is not None


def make_patch(base: bytes, new: bytes) -> bytes | None:
    """What makes `new` out of `base`; without a base, `new` packed. Other threads run meanwhile.

    Args:
        base: the older file; may be empty.
        new: the newer one, not empty.

    Returns:
        None where the patch is as large as the file, or this machine has no liblzma for a base.
    """
    if not _is_code(new):
        packed = _packed(base, new, {})
        return bytes([PatchKind.PLAIN]) + packed if packed is not None else None
    packed = _packed(_absolute(base), _absolute(new), _INSTRUCTIONS)
    return bytes([PatchKind.ARM64_CODE]) + packed if packed is not None else None


def _packed(base: bytes, new: bytes, contexts: Mapping[str, int]) -> bytes | None:
    options = {"dict_size": dictionary_bytes(len(base), len(new)), "nice_len": _NICE_BYTES, **contexts}
    if not base:
        options["preset"] = _PRESET
        packed = lzma.compress(new, format=lzma.FORMAT_RAW, filters=[{"id": lzma.FILTER_LZMA2, **options}])
        return packed if len(packed) < len(new) - 1 else None
    library = _library()
    return _encoded(library, base, new, options) if library is not None else None


def _is_code(new: bytes) -> bool:
    begin, machine = _AARCH64
    return new.startswith(begin) and new[18:20] == machine


def _absolute(code: bytes) -> bytes:
    changed = bytearray(code)
    to_absolute(changed)
    return bytes(changed)


def _encoded(library: ctypes.CDLL, base: bytes, new: bytes, chosen: Mapping[str, int]) -> bytes | None:
    options = _Options()
    if library.lzma_lzma_preset(ctypes.byref(options), ctypes.c_uint32(_PRESET)):
        return None
    for name, value in chosen.items():
        setattr(options, name, value)
    options.preset_dict, options.preset_dict_size = base, len(base)
    filters = (_Filter * 2)(
        _Filter(_FILTER_LZMA2, ctypes.cast(ctypes.byref(options), ctypes.c_void_p)), _Filter(_FILTERS_END, None)
    )
    out, written = ctypes.create_string_buffer(max(1, len(new) - 1)), ctypes.c_size_t(0)
    code = library.lzma_raw_buffer_encode(
        filters, None, new, ctypes.c_size_t(len(new)), out, ctypes.byref(written), ctypes.c_size_t(len(out))
    )
    if code not in (_OK, _BUFFER_TOO_SMALL):
        raise MemoryError(f"liblzma makes no patch: {code}")
    return out.raw[: written.value] if code == _OK else None


@functools.cache
def _library() -> ctypes.CDLL | None:
    name = ctypes.util.find_library("lzma")
    try:
        return ctypes.CDLL(name or "liblzma.so.5")
    except OSError:
        return None
