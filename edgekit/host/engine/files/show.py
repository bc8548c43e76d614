"""Describes an engine or model file, whatever it holds, without running it."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

from edgekit.errors import EngineError, InputError
from edgekit.host.engine.files.facts import FileFacts
from edgekit.host.engine.files.plan_file import PlanFault, PlanFile, is_plan, parse_plan
from edgekit.host.engine.files.rknn_file import RknnFault, RknnFile, parse_rknn
from edgekit.host.engine.model.onnx_model import OnnxModel, read_onnx
from edgekit.host.engine.reading import open_file

_RKNN = (b"RKNN", b"RKCE")
_UNREADABLE = (ValueError, RuntimeError, TypeError, LookupError)
"""What protobuf and onnx raise on rubbish, besides their own errors."""


def describe_file(path: Path) -> FileFacts:
    """Describe a file. Whatever it holds, the answer is a value; devices, pipes and folders are not read."""
    try:
        with open_file(path) as stream:
            return _describe(path, stream)
    except InputError as error:
        return _fault("", error.message.removeprefix(str(path)).strip())
    except OSError as error:
        return _fault("", f"it cannot be read: {error.strerror}")


def _describe(path: Path, stream: BinaryIO) -> FileFacts:
    if stream.read(4) in _RKNN:
        found = parse_rknn(stream)
        return (
            _fault("rknn", found.reason) if isinstance(found, RknnFault) else FileFacts(kind="rknn", facts=_rknn(found))
        )
    if is_plan(stream):
        engine = parse_plan(stream)
        if isinstance(engine, PlanFault):
            return _fault("tensorrt", engine.reason)
        return FileFacts(kind="tensorrt", facts=_plan(engine))
    try:
        return FileFacts(kind="onnx", facts=_onnx(read_onnx(path)))
    except EngineError as error:
        reason = error.message.removeprefix(str(path)).removeprefix(":").strip()
        return _fault("", f"it is no .rknn or TensorRT engine, and as an ONNX model: {reason}")
    except _UNREADABLE:
        return _fault("", "it is no .rknn or TensorRT engine and no valid ONNX model")


def _fault(kind: str, reason: str) -> FileFacts:
    return FileFacts(kind=kind, fault=reason)


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
