"""Reads the `.npz` file in which a builder device sends what an engine answers: names and sizes are known before.

numpy's own reader takes whatever sizes the file names, and gigabytes of zeros pack into a few megabytes.
Source: NumPy Enhancement Proposal 1 (the .npy format); APPNOTE.TXT 4.3 (zip).
"""

from __future__ import annotations

import io
import math
import zipfile
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from edgekit.host.engine.builder.answers import distrust, one_line
from edgekit.schema.answers import array_name, output_name

_ITEM_BYTES = 8
"""Of the largest type that an output has."""
_AROUND_BYTES = 64 << 10
"""What a zip file has around each array, and at its end."""
_NUMBERS = "fiub"
"""Kinds of numpy types that may come."""
_SUFFIX = ".npy"

Shapes = Mapping[str, tuple[int, ...]]
"""The shape of each output on all frames: [frames, ...]."""


def most_bytes(shapes: Shapes) -> int:
    """How large a file of these outputs can be."""
    return sum(math.prod(shape) * _ITEM_BYTES + _AROUND_BYTES for shape in shapes.values()) + _AROUND_BYTES


def read_arrays(data: bytes, shapes: Shapes, device: str) -> dict[str, npt.NDArray[np.generic]]:
    """Read an engine's outputs.

    Args:
        data: the file, `output:NAME` each.
        shapes: which outputs, and how large.
        device: who sent it, for messages.

    Returns:
        The outputs by name. Their arrays may be read only.

    Raises:
        BuilderFault: it is no such file, or holds something else.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = archive.infolist()
            found = sorted(member.filename for member in members)
            if found != sorted(f"{array_name(name)}{_SUFFIX}" for name in shapes):
                named = ", ".join(output_name(name.removesuffix(_SUFFIX)) for name in found[:10])
                raise ValueError(f"outputs {named or 'of no name'} instead of {', '.join(shapes)}")
            return {name: _read(archive, name, shape) for name, shape in shapes.items()}
    except Exception as error:  # those of zipfile, zlib and numpy share no class, and anything may have been sent
        reason = f"what it sent as the engine's answers cannot be read: {one_line(str(error)) or type(error).__name__}"
        raise distrust(device, reason) from None


def _read(archive: zipfile.ZipFile, name: str, shape: tuple[int, ...]) -> npt.NDArray[np.generic]:
    """One array; no more is unpacked than it may have."""
    with archive.open(f"{array_name(name)}{_SUFFIX}") as stream:
        if np.lib.format.read_magic(stream) != (1, 0):
            raise ValueError(f"output {name} has another format than .npy 1.0")
        found, by_columns, dtype = np.lib.format.read_array_header_1_0(stream)
        if dtype.kind not in _NUMBERS or dtype.itemsize > _ITEM_BYTES:
            raise ValueError(f"output {name} is of type {dtype}")
        if found != shape:
            raise ValueError(f"output {name} has shape {list(found)} instead of {list(shape)}")
        size = math.prod(shape) * dtype.itemsize
        content = stream.read(size + 1)  # one more reaches the end, where the checksum is compared
    if len(content) != size:
        raise ValueError(f"output {name} has another length than its shape says")
    return np.frombuffer(content, dtype).reshape(shape, order="F" if by_columns else "C")
