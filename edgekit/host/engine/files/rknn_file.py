"""Reads the description in an `.rknn` file without the toolkit.

    0x00      "RKNN", u32 0
    0x08      u64 format version      0x10  u64 N, the payload's size
    0x40      payload: a FlatBuffer of N bytes with the identifier "RKNN" at 4
    0x40 + N  u64 length of a JSON text, then that text up to the end of the file

Source: measured on files of rknn-toolkit2 2.3.2 and 2.5.0. Only what tells files apart is read.
"""

from __future__ import annotations

import ast
import json
import os
import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

_PAYLOAD = 0x40
_MAX_TEXT_BYTES = 4 << 20
"""No text of a real file comes near; it bounds what a damaged length can make us read."""
_MAX_FIELDS = 256
_MAX_TENSORS = 1024
_MAX_REPR_BYTES = 1 << 20
_COMPILER = re.compile(r"compiler version: (\S+) \(([^)\s]{1,80})\)")
_NPU, _ABOUT, _COMPILED_BY, _PLATFORM, _SOURCE, _CUSTOM, _INPUTS, _OUTPUTS = 1, 3, 7, 8, 9, 11, 12, 13
"""Fields of the payload's root table."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RknnTensor:
    """An input or output of the engine."""

    name: str
    shape: tuple[int, ...]
    """As the ONNX model has it."""
    dtype: str
    """What the NPU holds: `int8`, `float16`."""
    layout: str
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    low: tuple[float, ...] = ()
    """Smallest value that it was quantised for; empty where it was not."""
    high: tuple[float, ...] = ()

    def __str__(self) -> str:
        """For messages: `images int8[1, 3, 90, 160] NHWC`."""
        return f"{self.name} {self.dtype}[{', '.join(map(str, self.shape))}] {self.layout}".rstrip()


@dataclass(frozen=True, slots=True, kw_only=True)
class RknnFile:
    """The facts of an engine file."""

    bytes: int
    format_version: int
    toolkit: str
    """Version of the toolkit that wrote it; a board's runtime must not be older."""
    compiler: str
    build_id: str
    """The compiler's commit and date."""
    npu: str
    platforms: tuple[str, ...]
    source: str
    """Framework that the model came from."""
    quantised: bool
    inputs: tuple[RknnTensor, ...]
    outputs: tuple[RknnTensor, ...]
    custom: str
    """Free text that the file carries."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RknnFault:
    """Why a file is no engine, in words."""

    reason: str


class _BadRknn(Exception):
    """Raised by the readers below, and caught in `parse_rknn`."""


_DAMAGE = (struct.error, ValueError, TypeError, LookupError, AttributeError, ArithmeticError, SyntaxError)
_TOO_DEEP = (RecursionError, MemoryError)
"""What a parser raises on brackets without end."""


def read_rknn(path: Path) -> RknnFile | RknnFault:
    """Read a file. Whatever it holds, the answer is a value."""
    try:
        with path.open("rb") as stream:
            return parse_rknn(stream)
    except OSError as error:
        return RknnFault(reason=error.strerror or "it cannot be read")


def parse_rknn(stream: BinaryIO) -> RknnFile | RknnFault:
    """Read an open file; see `read_rknn`."""
    try:
        return _read(stream)
    except _BadRknn as fault:
        return RknnFault(reason=str(fault))
    except (*_DAMAGE, *_TOO_DEEP):
        return RknnFault(reason="it is damaged: a part of it is not what its header says")


def _read(stream: BinaryIO) -> RknnFile:
    total = stream.seek(0, os.SEEK_END)
    head = _at(stream, 0, min(total, _PAYLOAD))
    if head[:4] == b"RKCE":
        raise _BadRknn("it is encrypted")
    if head[:4] != b"RKNN":
        raise _BadRknn("it does not begin as an .rknn file does" if head else "it is empty")
    if len(head) < _PAYLOAD:
        raise _BadRknn("it is cut short in its header")
    version, size = struct.unpack_from("<QQ", head, 8)
    if total < _PAYLOAD + size + 8:
        raise _BadRknn(f"it is cut short: {total} bytes, its header promises more than {_PAYLOAD + size}")
    tail = _tail(stream, _PAYLOAD + size, total)
    table = _Table(stream, size)
    about = _literal(table.text(_ABOUT))
    compiled_by = table.text(_COMPILED_BY)
    compiler = _COMPILER.search(compiled_by)
    inputs, outputs = _tensors(tail, about, table)
    return RknnFile(
        bytes=total,
        format_version=version,
        toolkit=_word(tail.get("version")) or compiled_by.partition("(")[0],
        compiler=compiler.group(1) if compiler else "",
        build_id=compiler.group(2) if compiler else "",
        npu=table.text(_NPU),
        platforms=tuple(map(_word, tail.get("target_platform") or [table.text(_PLATFORM)])),
        source=table.text(_SOURCE),
        quantised=any("int" in tensor.dtype for tensor in inputs + outputs),
        inputs=inputs,
        outputs=outputs,
        custom=table.text(_CUSTOM),
    )


def _at(stream: BinaryIO, offset: int, size: int) -> bytes:
    if not 0 <= size <= _MAX_TEXT_BYTES or offset < 0:
        raise _BadRknn("it is damaged: a length in it cannot be")
    stream.seek(offset)
    data = stream.read(size)
    if len(data) != size:
        raise _BadRknn("it is cut short")
    return data


def _tail(stream: BinaryIO, start: int, total: int) -> Mapping[str, Any]:
    (length,) = struct.unpack("<Q", _at(stream, start, 8))
    if start + 8 + length != total:
        raise _BadRknn(f"its last part has {total - start - 8} bytes, and should have {length}")
    found = json.loads(_at(stream, start + 8, length))
    if not isinstance(found, dict):
        raise _BadRknn("its last part is no table")
    return found


class _Table:
    """The FlatBuffer's root table. Source: FlatBuffers' binary format, "Tables" and "Strings"."""

    def __init__(self, stream: BinaryIO, size: int) -> None:
        self._stream, self._size = stream, size
        (root,) = struct.unpack_from("<I", self._part(0, 8))
        if self._part(4, 4) != b"RKNN":
            raise _BadRknn("its payload has no identifier: it is damaged or encrypted")
        vtable = root - int(struct.unpack("<i", self._part(root, 4))[0])
        (length,) = struct.unpack_from("<H", self._part(vtable, 4))
        count = max(0, min((length - 4) // 2, _MAX_FIELDS))
        offsets = struct.unpack(f"<{count}H", self._part(vtable + 4, 2 * count))
        self._fields = [root + offset if offset else 0 for offset in offsets]

    def text(self, number: int) -> str:
        """A field that is a string; empty where it is absent."""
        field = self._fields[number] if number < len(self._fields) else 0
        if not field:
            return ""
        start = field + int(struct.unpack("<I", self._part(field, 4))[0])
        (length,) = struct.unpack("<I", self._part(start, 4))
        return self._part(start + 4, length).decode(errors="replace")

    def _part(self, offset: int, size: int) -> bytes:
        if offset < 0 or offset + size > self._size:
            raise _BadRknn("it is damaged: an offset leads out of its payload")
        return _at(self._stream, _PAYLOAD + offset, size)


def _tensors(
    tail: Mapping[str, Any], about: Mapping[str, Any], table: _Table
) -> tuple[tuple[RknnTensor, ...], tuple[RknnTensor, ...]]:
    given: dict[str, Any] = {}
    for tensor in tail["norm_tensor"][:_MAX_TENSORS]:
        given[_word(tensor["url"])] = tensor
    made = []
    for field in (_INPUTS, _OUTPUTS):
        held: dict[str, dict[str, str]] = json.loads(table.text(field) or "{}")
        ordered = [name for name in given if name in held] + [name for name in held if name not in given]
        made.append(tuple(_tensor(name, given.get(name, {}), held[name], about) for name in ordered))
    return made[0], made[1]


def _tensor(name: str, given: Mapping[str, Any], held: Mapping[str, str], about: Mapping[str, Any]) -> RknnTensor:
    attributes = about.get("attrs", {}).get(name, {})
    quantised = about.get("quant_tab", {}).get(name, {})
    return RknnTensor(
        name=name,
        shape=tuple(int(size) for size in attributes.get("shape") or given.get("size", ())),
        dtype=_word(held.get("dtype")) or _word(given.get("dtype", {}).get("vx_type")),
        layout=_word(held.get("layout")),
        mean=_numbers(attributes.get("mean")),
        std=_numbers(attributes.get("std")),
        low=_numbers(quantised.get("min")),
        high=_numbers(quantised.get("max")),
    )


def _literal(text: str) -> dict[str, Any]:
    """The toolkit writes this part as Python's repr; read as data, never run."""
    if len(text) > _MAX_REPR_BYTES:
        raise _BadRknn("it is damaged: its description is too long")
    found = ast.literal_eval(text or "{}")
    return found if isinstance(found, dict) else {}


def _numbers(found: Any) -> tuple[float, ...]:
    return tuple(float(number) for number in found or ())


def _word(found: Any) -> str:
    return found if isinstance(found, str) else ""
