"""Tensors as the protocol writes them: JSON with the data in it, or JSON with the bytes of all tensors behind it."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from types import MappingProxyType
from typing import Any

import numpy as np

from edgekit.device.runner.tensors import Tensor, Tensors, TensorSpec
from edgekit.device.runtime.server.refusal import Refusal, unusable

MAX_JSON_BYTES = 1 << 20
"""Of what is read as JSON: a lane's thread waits while Python reads it."""
MAX_JSON_NUMBERS = 1 << 16
"""In an answer's JSON, for the same reason."""
DATATYPES: Mapping[str, np.dtype[Any]] = MappingProxyType(
    {
        "BOOL": np.dtype(np.bool_),
        **{f"UINT{bits}": np.dtype(f"uint{bits}") for bits in (8, 16, 32, 64)},
        **{f"INT{bits}": np.dtype(f"int{bits}") for bits in (8, 16, 32, 64)},
        **{f"FP{bits}": np.dtype(f"float{bits}") for bits in (16, 32, 64)},
    }
)
"""The protocol's names. BYTES and BF16 are no tensors of engines here."""
NAMES: Mapping[np.dtype[Any], str] = MappingProxyType({dtype: name for name, dtype in DATATYPES.items()})
_BINARY = "binary_data_size"
_IN_DATA = frozenset({int, float, bool, list})


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What one request asks for."""

    id: str
    """Comes back in the answer; empty: none was given."""
    inputs: Tensors
    outputs: Mapping[str, bool]
    """By name, whether as bytes; in the order of the answer."""


def described(specs: Iterable[TensorSpec]) -> list[dict[str, Any]]:
    """Tensors as a model's metadata lists them."""
    return [{"name": spec.name, "datatype": NAMES[spec.dtype], "shape": list(spec.shape)} for spec in specs]


def sizes_of(specs: Iterable[TensorSpec]) -> int:
    """Bytes of tensors whose sizes are known."""
    return sum(math.prod(spec.shape) * spec.dtype.itemsize for spec in specs)


def read_request(
    head: bytes | bytearray | memoryview,
    tail: memoryview,
    inputs: Sequence[TensorSpec],
    outputs: Sequence[TensorSpec],
) -> Asked:
    """Read the body of a request.

    Args:
        head: JSON.
        tail: the bytes behind it; arrays of the result are views of it.
        inputs: what the model takes.
        outputs: what it gives.

    Raises:
        Refusal: it is none, or not one for this model.
    """
    raw = _json(head)
    given, rest = dict[str, Tensor](), tail
    for entry in _tables(raw, "inputs"):
        name = _name(entry, "input")
        spec = next((spec for spec in inputs if spec.name == name), None)
        if spec is None:
            raise unusable(f"the model has no input {name!r}, it has: {', '.join(one.name for one in inputs)}")
        if name in given:
            raise unusable(f"input {name} is given twice")
        _check(entry, spec)
        given[name], rest = _tensor(entry, spec, rest)
    if missing := [spec.name for spec in inputs if spec.name not in given]:
        raise unusable(f"input {missing[0]} is missing")
    if rest:
        raise unusable(f"{len(rest)} bytes follow the tensors: no input's {_BINARY} counts them")
    return Asked(id=str(raw.get("id", ""))[:256], inputs=given, outputs=_outputs(raw, outputs))


def written(model: str, asked: Asked, found: Tensors) -> tuple[bytes, list[memoryview]]:
    """An answer: its JSON, and the bytes of tensors that were asked for as such.

    Raises:
        Refusal: a tensor cannot be written as JSON.
    """
    outputs, blobs = list[dict[str, Any]](), list[memoryview]()
    for name, as_bytes in asked.outputs.items():
        array = found[name]
        entry: dict[str, Any] = {"name": name, "datatype": NAMES[array.dtype], "shape": list(array.shape)}
        if as_bytes:
            blobs.append(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
            entry["parameters"] = {_BINARY: array.nbytes}
        else:
            entry["data"] = _numbers(name, array)
        outputs.append(entry)
    answer = {"model_name": model, "model_version": "1", "outputs": outputs} | ({"id": asked.id} if asked.id else {})
    return json.dumps(answer, separators=(",", ":")).encode(), blobs


def _json(head: bytes | bytearray | memoryview) -> dict[str, Any]:
    try:
        raw = json.loads(bytes(head))
    except (ValueError, RecursionError):
        raise unusable("the request is not JSON: send the JSON's length in Inference-Header-Content-Length") from None
    if not isinstance(raw, dict):
        raise unusable("the request is no JSON object")
    return raw


def _tables(raw: Mapping[str, Any], key: str) -> list[dict[str, Any]]:
    found = raw.get(key, [])
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise unusable(f"{key} is no list of objects")
    return found


def _name(entry: Mapping[str, Any], what: str) -> str:
    name = entry.get("name")
    if not isinstance(name, str):
        raise unusable(f"an {what} has no name")
    return name[:200]


def _parameters(table: Mapping[str, Any]) -> Mapping[str, Any]:
    found = table.get("parameters", {})
    if not isinstance(found, dict):
        raise unusable("parameters is no object")
    if "shared_memory_region" in found:
        raise unusable("shared memory is not to be had here: send tensors in the request")
    return found


def _check(entry: Mapping[str, Any], spec: TensorSpec) -> None:
    """Type and shape, before a byte of it is looked at."""
    datatype, shape = entry.get("datatype"), entry.get("shape")
    wanted = f"{NAMES[spec.dtype]} {list(spec.shape)}"
    if datatype != NAMES[spec.dtype] or shape != list(spec.shape):
        raise unusable(f"input {spec.name} takes {wanted}, it was given {str(datatype)[:20]} {str(shape)[:100]}")


def _tensor(entry: Mapping[str, Any], spec: TensorSpec, rest: memoryview) -> tuple[Tensor, memoryview]:
    """An input, and what of the bytes follows it."""
    size = _parameters(entry).get(_BINARY)
    if size is None:
        return _from_json(entry, spec), rest
    wanted = sizes_of([spec])
    if size != wanted or "data" in entry:
        raise unusable(f"input {spec.name} has {wanted} bytes by its shape, and {str(size)[:20]} by its {_BINARY}")
    if len(rest) < wanted:
        raise unusable(f"input {spec.name} has {wanted} bytes, and only {len(rest)} follow")
    array = np.frombuffer(rest, spec.dtype, math.prod(spec.shape)).reshape(spec.shape)
    return np.require(array, requirements="A"), rest[wanted:]


def _from_json(entry: Mapping[str, Any], spec: TensorSpec) -> Tensor:
    data = entry.get("data")
    if not isinstance(data, list):
        raise unusable(f"input {spec.name} has no data, and no {_BINARY}")
    try:
        if not _is_of_numbers(data):
            raise ValueError
        made = np.array(data)
        if made.dtype.kind not in "biuf" or (made.dtype.kind == "f" and spec.dtype.kind != "f"):
            raise ValueError
        cast: Tensor = made.astype(spec.dtype).reshape(spec.shape)
        if spec.dtype.kind in "iu" and not np.array_equal(cast.reshape(-1), made.reshape(-1)):
            raise ValueError
    except (ValueError, TypeError, OverflowError):
        wanted = f"{math.prod(spec.shape)} numbers of {NAMES[spec.dtype]}"
        raise unusable(f"input {spec.name}: data are not {wanted}") from None
    return cast


def _is_of_numbers(data: list[Any]) -> bool:
    """Whether there is nothing else in it: beside one long text an array would give each number as much room."""
    rows = [data]
    while rows:
        kinds = set(map(type, chain.from_iterable(rows)))
        if not kinds <= _IN_DATA:
            return False
        rows = [one for one in chain.from_iterable(rows) if isinstance(one, list)] if list in kinds else []
    return True


def _outputs(raw: Mapping[str, Any], specs: Sequence[TensorSpec]) -> Mapping[str, bool]:
    """Those that are asked for; where none are, all."""
    every = bool(_parameters(raw).get("binary_data_output", False))
    wanted = dict[str, bool]()
    for entry in _tables(raw, "outputs"):
        name, parameters = _name(entry, "output"), _parameters(entry)
        if name not in {spec.name for spec in specs}:
            raise unusable(f"the model has no output {name!r}, it has: {', '.join(spec.name for spec in specs)}")
        if parameters.get("classification"):
            raise unusable("classification is not to be had here: ask for the tensor")
        wanted[name] = bool(parameters.get("binary_data", every))
    return wanted or {spec.name: every for spec in specs}


def _numbers(name: str, array: Tensor) -> list[Any]:
    if array.size > MAX_JSON_NUMBERS:
        raise Refusal(400, f"output {name} has {array.size} numbers: ask for it with binary_data = true")
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise Refusal(400, f"output {name} holds numbers that JSON has not: ask for it with binary_data = true")
    numbers: list[Any] = array.reshape(-1).tolist()
    return numbers
