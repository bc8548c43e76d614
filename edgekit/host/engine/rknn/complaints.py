"""The toolkit's failures, each as one sentence and a cure. Pure.

Its own messages never reach the user as they are: all of them are in the log of the run. Source: measured on
rknn-toolkit2 2.3.2 and 2.5.0.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgekit.errors import EngineError
from edgekit.host.engine.rknn.log import clean_line, read_log

_KNOWN: tuple[tuple[str, str, str], ...] = (
    (r"Unsupport onnx opset (\d+)", "it has opset {0}", "export it with opset 19 or lower"),
    (r"(No such file or directory: \S+)", "{0}", "try again: something removed a scratch file"),
    (r"No space left on device", "there is no room for the toolkit's scratch files", "df -h /tmp"),
    (
        r"no layer of (.+) is left; those behind it: (.+)",
        "the toolkit has merged {0} with other layers: keep_float of it has no effect",
        "name another tensor in quantisation.keep_float: {1}",
    ),
    (r"(?i)(bad_alloc|cannot allocate|MemoryError)", "this machine ran out of memory", "calibrate with fewer images"),
    (
        r"Invalid rank for input: (\S+) Got: (\d+) Expected: (\d+)",
        "the RKNN toolkit makes {1} sizes of tensor {0}, which has {2}",
        "let the model give {0} its {2} sizes by a Reshape",
    ),
    (
        r"Meet unsupported mode in (\w+), mode: (\w+)",
        "operator {0} with mode {1} is unknown to the RKNN toolkit",
        "use another mode of {0}, or end the model before it",
    ),
    (
        r"(?:Unsupport|unsupport|Not support|not support)\w* (?:cpu |npu )?[Oo]p(?: type)?[: ]+(\w+)",
        "operator {0} is unknown to the RKNN toolkit",
        "replace {0}, or end the model before it",
    ),
    (
        r"has no attribute '(\w+)'",
        "the RKNN toolkit cannot read a part of the model",
        "export it with another opset_version, 12 to 19",
    ),
)
_NOT_LOWERED = re.compile(r"No lowering found for: (\S+), node type = (\w+)")
_LIKELY = "a compiler that dies without a word often ran out of memory: calibrate with fewer images"
_UNKNOWN = "end the model before what is named there, or export it with another opset_version, 12 to 19"
_SHORTEST_NAME = 3
"""A name that is found in a message by chance is no help."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeName:
    """A node of the model, and the tensors by which the toolkit may call it."""

    name: str
    kind: str
    tensors: tuple[str, ...]


def explain(model: Path, answer: Mapping[str, Any], output: str, nodes: Iterable[NodeName] = ()) -> EngineError:
    """The error for a conversion that failed.

    Args:
        model: the user's ONNX file.
        answer: the worker's; empty where it died before it could write one.
        output: everything that the toolkit printed.
        nodes: the model's, to find in the toolkit's words.
    """
    printed = read_log(output).errors
    failed = str(answer.get("failed", ""))
    text = "\n".join([failed, *printed]) if answer else output
    for pattern, reason, hint in _KNOWN:
        if found := re.search(pattern, text):
            cure = hint.format(*found.groups())
            return EngineError(f"{model}: {reason.format(*found.groups())}", hint=cure)
    last = clean_line(failed)
    if (not last or last.startswith("it answered")) and printed:
        last = clean_line(printed[-1])
    node = _named(nodes, f"{last}\n{failed}")
    where = f" at node {node.name} ({node.kind})" if node else f" at {answer['step']}" if answer.get("step") else ""
    verb = "fails" if answer else "died"
    hint = f"replace node {node.name}, or end the model before it" if node else _UNKNOWN if last else _LIKELY
    return EngineError(f"{model}: the RKNN toolkit {verb}{where}: {last or 'it says nothing'}", hint=hint)


def not_lowered(model: Path, output: str) -> EngineError | None:
    """The error for an engine that was made, and that no board can run."""
    found = _NOT_LOWERED.findall(output)
    if not found:
        return None
    others = f", and {len(found) - 1} more" if len(found) > 1 else ""
    return EngineError(
        f"{model}: {found[0][1]}, which makes {found[0][0]}{others}, runs neither on the NPU nor in its runtime",
        hint="replace that operator, or end the model before it",
        details="\n".join(f"{kind} {name}" for name, kind in found) if others else "",
    )


def _named(nodes: Iterable[NodeName], text: str) -> NodeName | None:
    """The node whose name, or whose tensor's name, occurs in a text as a word of its own; the longest name wins."""
    words = set(re.findall(r"[^\s,:;'\"()\[\]]+", text))
    found = [
        (len(name), node)
        for node in nodes
        for name in (node.name, *node.tensors)
        if len(name) >= _SHORTEST_NAME and name in words
    ]
    return max(found, key=lambda one: one[0])[1] if found else None
