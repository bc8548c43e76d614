"""Describes an engine or model file, whatever it holds, without running it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from edgekit.errors import EngineError, InputError
from edgekit.host.engine.files.plan_file import PlanFault, PlanFile, is_plan, parse_plan
from edgekit.host.engine.files.rknn_file import RknnFault, RknnFile, parse_rknn
from edgekit.host.engine.model.onnx_model import OnnxModel, read_onnx
from edgekit.host.engine.reading import open_file
from edgekit.host.engine.record import EngineRecord
from edgekit.host.engine.store import EngineStore

_RKNN = (b"RKNN", b"RKCE")
_UNREADABLE = (ValueError, RuntimeError, TypeError, LookupError, MemoryError)
"""What protobuf and onnx raise on rubbish, besides their own errors."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A file's facts."""

    kind: str
    """`rknn`, `tensorrt`, `onnx`; empty where it is none of them."""
    facts: dict[str, str]
    fault: str
    """Why it cannot be read; empty where it can."""
    record: EngineRecord | None
    """How it was made, if it was made here."""


def show_file(path: Path, store: EngineStore) -> Shown:
    """Describe a file. Whatever it holds, the answer is a value; devices, pipes and folders are not read."""
    try:
        with open_file(path) as stream:
            return _show(path, stream, store)
    except InputError as error:
        return _fault("", error.message.removeprefix(str(path)).strip())
    except OSError as error:
        return _fault("", f"it cannot be read: {error.strerror}")


def _show(path: Path, stream: BinaryIO, store: EngineStore) -> Shown:
    if stream.read(4) in _RKNN:
        found = parse_rknn(stream)
        if isinstance(found, RknnFault):
            return _fault("rknn", found.reason)
        return Shown(kind="rknn", facts=_rknn(found), fault="", record=_record(path, store))
    if is_plan(stream):
        engine = parse_plan(stream)
        if isinstance(engine, PlanFault):
            return _fault("tensorrt", engine.reason)
        return Shown(kind="tensorrt", facts=_plan(engine), fault="", record=_record(path, store))
    try:
        return Shown(kind="onnx", facts=_onnx(read_onnx(path)), fault="", record=None)
    except EngineError as error:
        reason = error.message.removeprefix(str(path)).removeprefix(":").strip()
        return _fault("", f"it is no .rknn or TensorRT engine, and as an ONNX model: {reason}")
    except _UNREADABLE:
        return _fault("", "it is no .rknn or TensorRT engine and no valid ONNX model")


def _record(path: Path, store: EngineStore) -> EngineRecord | None:
    cached = store.find_by_file(path)
    return cached.record if cached else None


def _fault(kind: str, reason: str) -> Shown:
    return Shown(kind=kind, facts={}, fault=reason, record=None)


def _rknn(file: RknnFile) -> dict[str, str]:
    facts = {
        "format": f"rknn {file.format_version}",
        "toolkit": file.toolkit,
        "compiler": f"{file.compiler} {file.build_id}".strip(),
        "platforms": ", ".join(file.platforms),
        "npu": file.npu,
        "precision": "int8" if file.quantised else "float16",
        "inputs": ", ".join(map(str, file.inputs)),
        "outputs": ", ".join(map(str, file.outputs)),
        "source": file.source,
        "text": file.custom,
        "bytes": str(file.bytes),
    }
    return {name: value for name, value in facts.items() if value}


def _plan(file: PlanFile) -> dict[str, str]:
    facts = {"format": "tensorrt plan", "toolkit": file.toolkit, "bytes": str(file.bytes)}
    if file.offset:
        facts["in front"] = f"{file.offset} bytes that are not part of the plan: TensorRT loads what follows them"
    return facts


def _onnx(model: OnnxModel) -> dict[str, str]:
    return {
        "format": f"onnx, opset {model.opset}, IR version {model.ir_version}",
        "inputs": ", ".join(map(str, model.inputs)),
        "outputs": ", ".join(map(str, model.outputs)),
        **model.macs_fact,
        "bytes": str(model.bytes),
        "sha256": model.sha256,
    }
