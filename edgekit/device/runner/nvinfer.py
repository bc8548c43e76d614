"""TensorRT as builder and runner meet it: its module, the one logger of the process, and errors instead of None.

One code path for TensorRT 8.6 to 11: calls that all of them have, the rest asked for by name (`hasattr`), never by
version and never by an enumeration's integer. Source: the recorded API of each version, in tests/cases.
"""

from __future__ import annotations

import importlib
from collections import deque
from functools import lru_cache
from typing import Any, TypeVar

from edgekit.errors import Cause, EngineError

MODULE = "tensorrt"
_MAX_LINES = 200
_MAX_LINE = 1000
_T = TypeVar("_T")
_OTHER_VERSION = "build the engine again: it was made by another version of TensorRT"
_OTHER_BOARD = "build the engine on a device of the same kind"
_NO_GPU = "no usable GPU or driver: nvidia-smi, or dmesg | grep -i nvgpu"
_LITTLE_MEMORY = "often memory: close other programs, lower tactic_dram, or reboot"
_CURES: tuple[tuple[str, Cause, str], ...] = (
    ("expecting library version", "engine_version", _OTHER_VERSION),
    ("incompatible device, expecting compute", "wrong_board", _OTHER_BOARD),
    ("Version tag does not match", "engine_version", _OTHER_VERSION),
    ("incompatible serialization version", "engine_version", _OTHER_VERSION),
    ("Platform specific tag mismatch", "wrong_board", _OTHER_BOARD),
    ("magicTag", "bad_model", "this file is no TensorRT engine: build the release again"),
    ("MAGIC_TAG", "bad_model", "this file is no TensorRT engine: build the release again"),
    ("header.size == blobSize", "bad_model", "the engine is cut short: build the release again"),
    ("Target GPU SM", "wrong_board", "this TensorRT knows no such GPU: take the one of the board's own JetPack"),
    ("CUDA initialization failure", "accelerator", _NO_GPU),
    ("cudaError", "accelerator", _NO_GPU),
    ("Could not find any implementation for node", "", _LITTLE_MEMORY),
    (
        "NvMapMemAlloc",
        "out_of_memory",
        "the board is out of memory for its GPU: close other programs, or reboot",
    ),
    ("no optimization profile has been defined", "bad_model", "export the model with fixed sizes"),
    ("TensorRT has no such operator", "bad_model", "replace the operator, or end the model before it"),
)
"""What it means and what helps, by part of what TensorRT says. Source: texts read from libnvinfer 8.5 to 11 and from
RTX 1.7.1."""


class Nvinfer:
    """TensorRT in this process. Make it by `open_nvinfer`."""

    def __init__(self, trt: Any) -> None:
        self.trt = trt
        self._lines: deque[str] = deque(maxlen=_MAX_LINES)
        self.logger = _make_logger(trt, self._lines)

    @property
    def version(self) -> str:
        """As the module says it: `10.3.0`."""
        return str(self.trt.__version__)

    def cut(self) -> tuple[str, ...]:
        """Warnings and errors since the last cut, oldest first."""
        lines = tuple(self._lines)
        self._lines.clear()
        return lines

    def check(self, value: _T, doing: str) -> _T:
        """Give a value back, unless it is one of those by which TensorRT says that it failed.

        Args:
            value: what a call returned.
            doing: what it was to do, for the message: `building the engine`.

        Raises:
            EngineError: it is None, False or -1; with what TensorRT logged.
        """
        if value is None or value is False or (isinstance(value, int) and value == -1 and value is not True):
            raise self.error(doing)
        return value

    def error(self, doing: str, output: str = "") -> EngineError:
        """An error that says what TensorRT could not do, with what it logged.

        Args:
            doing: what it was to do.
            output: its own message; empty: the first error in its log.
        """
        lines = self.cut()
        first = output or next((line for line in lines if line.startswith("error: ")), next(iter(lines), ""))
        reason = first.removeprefix("error: ").removeprefix("warning: ") or "it does not say why"
        logged = "\n".join([output, *lines])
        cause, hint = next(
            ((cause, cure) for part, cause, cure in _CURES if part in logged), ("", "see what TensorRT logged, below")
        )
        return EngineError(f"TensorRT failed at {doing}: {reason}", hint=hint, details="\n".join(lines), cause=cause)


@lru_cache(maxsize=1)
def open_nvinfer(module: str = MODULE) -> Nvinfer:
    """TensorRT of this process, imported once, with its one logger: a second logger would be ignored, with a warning.

    Raises:
        EngineError: there is no such module.
    """
    try:
        return Nvinfer(importlib.import_module(module))
    except ImportError as error:
        raise EngineError(
            f"there is no Python module {module} here",
            hint="on a Jetson: apt-get install python3-libnvinfer, from JetPack's own archive",
            details=str(error),
            cause="missing_library",
        ) from None


def _make_logger(trt: Any, lines: deque[str]) -> Any:
    """A logger that keeps warnings and errors. Warnings count: 8.5 reports a missing driver as one."""
    levels = {
        trt.ILogger.Severity.INTERNAL_ERROR: "error",
        trt.ILogger.Severity.ERROR: "error",
        trt.ILogger.Severity.WARNING: "warning",
    }

    class Ring(trt.ILogger):  # type: ignore[misc]  # the module has no types
        """Keeps the last lines."""

        def __init__(self) -> None:
            trt.ILogger.__init__(self)

        def log(self, severity: Any, msg: str) -> None:
            """TensorRT calls it, from any thread."""
            if severity in levels:
                lines.append(f"{levels[severity]}: {msg.strip()[:_MAX_LINE]}")

    return Ring()
