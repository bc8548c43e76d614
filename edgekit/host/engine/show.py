"""What can be said of an engine or model file, whatever it is, without running it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from edgekit.errors import EngineError
from edgekit.host.engine.onnx_model import OnnxModel, read_onnx
from edgekit.host.engine.plan_file import PlanFault, PlanFile, is_plan, read_plan
from edgekit.host.engine.rknn_file import RknnFault, RknnFile, read_rknn
from edgekit.host.engine.store import EngineRecord, EngineStore
from edgekit.trust import sha256_file

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
    """Look at a file. Whatever it holds, the answer is a value."""
    try:
        with path.open("rb") as stream:
            magic = stream.read(4)
            plan = is_plan(stream)
    except OSError as error:
        return _fault("", error.strerror or "it cannot be read")
    if magic in _RKNN:
        found = read_rknn(path)
        if isinstance(found, RknnFault):
            return _fault("rknn", found.reason)
        kept = store.by_digest(sha256_file(path))
        return Shown(kind="rknn", facts=_rknn(found), fault="", record=kept.record if kept else None)
    if plan:
        engine = read_plan(path)
        if isinstance(engine, PlanFault):
            return _fault("tensorrt", engine.reason)
        kept = store.by_digest(sha256_file(path))
        return Shown(kind="tensorrt", facts=_plan(engine), fault="", record=kept.record if kept else None)
    try:
        return Shown(kind="onnx", facts=_onnx(read_onnx(path)), fault="", record=None)
    except EngineError as error:
        told = error.message.removeprefix(str(path)).removeprefix(":").strip()
        return _fault("", f"it is no .rknn or TensorRT engine, and as an ONNX model: {told}")
    except _UNREADABLE:
        return _fault("", "it is no .rknn or TensorRT engine and no valid ONNX model")


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
        "macs": str(model.macs),
        "bytes": str(model.bytes),
        "sha256": model.sha256,
    }
