"""What the toolkit says when it fails, as one sentence. Pure. Source: measured on rknn-toolkit2 2.3.2 and 2.5.0."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edgekit.errors import EngineError
from edgekit.host.engine.rknn.log import read_log

_KNOWN: tuple[tuple[str, str, str], ...] = (
    (r"Unsupport onnx opset (\d+)", "it has opset {0}", "export it with opset 19 or lower"),
    (r"(No such file or directory: \S+)", "{0}", "try again: something removed a scratch file"),
    (r"no layer of (.+) is left", "nothing of {0} is left to stay float16", "name other tensors in keep_float"),
    (r"(?i)(bad_alloc|cannot allocate|MemoryError)", "this machine ran out of memory", "calibrate with fewer images"),
)
_CLASS = re.compile(r"^[\w.]+: (\[ONNXRuntimeError\] : \d+ : \w+ : )?")
"""Names of exceptions in front of what they say."""
_NOT_LOWERED = re.compile(r"No lowering found for: (\S+), node type = (\w+)")
_LIKELY = "a compiler that dies without a word often ran out of memory: calibrate with fewer images"
_PLAIN = "simplify the model around what it names, or export it with other options"


def explain(model: Path, answer: Mapping[str, Any], said: str) -> EngineError:
    """The error for a conversion that failed.

    Args:
        model: the ONNX file.
        answer: the worker's; empty where it died before it could write one.
        said: everything that the toolkit printed.
    """
    printed = read_log(said).errors
    if not answer:
        last = f": {_last_line(printed[-1])}" if printed else ""
        return EngineError(f"{model}: the RKNN toolkit died{last}", hint=_PLAIN if last else _LIKELY, details=said)
    failed, step = str(answer["failed"]), answer.get("step", "")
    for pattern, reason, hint in _KNOWN:
        if found := re.search(pattern, failed) or re.search(pattern, said):
            return EngineError(f"{model}: {reason.format(*found.groups())}", hint=hint, details=failed)
    reason = _last_line(failed)
    if reason.startswith("it answered") and printed:
        reason = _last_line(printed[-1])
    return EngineError(f"{model}: the RKNN toolkit fails at {step}: {reason}", hint=_PLAIN, details=said)


def not_lowered(model: Path, said: str) -> EngineError | None:
    """The error for an engine that was made, and that no board can run."""
    found = _NOT_LOWERED.findall(said)
    if not found:
        return None
    return EngineError(
        f"{model}: {found[0][1]}, which makes {found[0][0]}, runs neither on the NPU nor in its runtime",
        hint="replace that operator, or end the model before it",
        details="\n".join(f"{kind} {name}" for name, kind in found),
    )


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return _CLASS.sub("", lines[-1]) if lines else "it says nothing"
