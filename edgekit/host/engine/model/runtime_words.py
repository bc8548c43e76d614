"""ONNX Runtime's error messages as one sentence with the node's name. Pure."""

from __future__ import annotations

import re

_HEAD = re.compile(r"^\[ONNXRuntimeError\] : \d+ : [A-Z_]+ : (Load model from \S+ failed: ?)?")
_RUNNING = re.compile(r"Non-zero status code returned while running (\w+) node\. Name:'([^']*)' Status Message: ")
_SOURCE = re.compile(r"^\S*/\S+:\d+ .*?(?:was false\. ?|\) (?=[A-Z]))|^\S*/\S+:\d+ \S+ ")
"""The place in its own source files, and the condition that did not hold there."""
_NODE = re.compile(
    r"Node ?\(([^)]+)\)|node with name '([^']+)'|Op \(([A-Za-z0-9_]+)\)|for ([A-Za-z0-9_.:]+\(\d+\)) node"
)
_MAX_CHARACTERS = 200


def runtime_words(error: Exception) -> str:
    """`node /flat (Reshape): The input tensor cannot be reshaped to the requested shape. ...`."""
    message = _HEAD.sub("", " ".join(str(error).split()))
    if running := _RUNNING.search(message):
        reason = _SOURCE.sub("", message[running.end() :])
        return f"node {running[2] or '(without a name)'} ({running[1]}): {reason[:_MAX_CHARACTERS]}"
    node = next((part for match in _NODE.finditer(message) for part in match.groups() if part), "")
    return f"node {node}: {message[:_MAX_CHARACTERS]}" if node else message[:_MAX_CHARACTERS]
