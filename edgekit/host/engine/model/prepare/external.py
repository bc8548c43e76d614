"""Weights that a model keeps in files beside itself ("external data"): read into it, from every graph and attribute.

Source: ONNX, docs/ExternalData.md: `location` is relative to the model's folder, `offset` and `length` are bytes.
"""

from __future__ import annotations

import os
from pathlib import Path

import onnx

from edgekit.errors import EngineError
from edgekit.host.engine.model.graph import constants_of
from edgekit.host.engine.reading import open_file
from edgekit.schema.units import format_bytes


def load_external(path: Path, model: onnx.ModelProto, room_bytes: int) -> int:
    """Read all weights that lie beside a model into it.

    Args:
        path: the model's file.
        model: what it holds; changed.
        room_bytes: how many bytes may be added.

    Returns:
        How many tensors were read.

    Raises:
        EngineError: a file is missing, too short or too large, or leads out of the model's folder.
    """
    count = 0
    for tensor in constants_of(model):
        if tensor.data_location != onnx.TensorProto.EXTERNAL:
            continue
        data = _read(path, tensor, room_bytes)
        room_bytes -= len(data)
        tensor.raw_data = data
        tensor.ClearField("data_location")
        del tensor.external_data[:]
        count += 1
    return count


def files_beside(path: Path) -> tuple[str, ...]:
    """The files that hold weights of a model which can be loaded, as it names them, in its folder."""
    model = onnx.load(path, load_external_data=False)
    outside = (one for one in constants_of(model) if one.data_location == onnx.TensorProto.EXTERNAL)
    return tuple(sorted({entry.value for one in outside for entry in one.external_data if entry.key == "location"}))


def _read(path: Path, tensor: onnx.TensorProto, room_bytes: int) -> bytes:
    entries = {entry.key: entry.value for entry in tensor.external_data}
    file = _inside(path, entries.get("location", ""))
    offset, length = _number(path, entries.get("offset", "0")), _number(path, entries.get("length", "-1"))
    with open_file(file) as stream:
        there = os.fstat(stream.fileno()).st_size - offset
        wanted = there if length < 0 else length
        if not 0 <= wanted <= there or offset < 0:
            raise EngineError(
                f"{path}: its weights in {file.name} are cut short: {tensor.name} ends behind the file's end",
                hint="copy both files again, or export the model again as one file",
            )
        if wanted > room_bytes:
            raise EngineError(
                f"{path} and its weights in {file.name} are larger than {format_bytes(2 << 30)}",
                hint="export a smaller model",
            )
        stream.seek(offset)
        return stream.read(wanted)


def _inside(path: Path, location: str) -> Path:
    """The file that a location names; it may not lead out of the model's folder, through links neither."""
    folder = Path(os.path.realpath(path.parent))
    file = path.parent / location
    real = Path(os.path.realpath(file))
    if not location or Path(location).is_absolute() or not real.is_relative_to(folder):
        raise EngineError(
            f"{path} keeps its weights in {location!r}, which is not in its folder",
            hint=f'export it as one file: onnx.save(model, "{path.name}", save_as_external_data=False)',
        )
    if not real.exists():
        raise EngineError(
            f"{path} keeps its weights in {location}, which is not there",
            hint=f"copy {location} beside the model, or export it as one file: "
            f'onnx.save(model, "{path.name}", save_as_external_data=False)',
        )
    return file


def _number(path: Path, text: str) -> int:
    try:
        return int(text[:20])
    except ValueError:
        raise EngineError(
            f"{path}: where its weights lie is no number: {text[:40]!r}", hint="export it again"
        ) from None
