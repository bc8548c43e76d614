"""A cache of what ONNX Runtime's optimiser made of models on this CPU: it makes starts faster, and may be deleted."""

from __future__ import annotations

import contextlib
import hashlib
import os
import platform
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import onnxruntime as ort  # type: ignore[import-untyped]

from edgekit.schema.onnxruntime_options import EXACT_INT8

_MAX_CACHED = 8


class Optimised:
    """One model's file in the cache, named by everything that can change what the optimiser makes."""

    def __init__(self, folder: Path, model: Path, cpuinfo: Path = Path("/proc/cpuinfo")) -> None:
        made_of = hashlib.sha256(model.read_bytes() if model.is_file() else b"")
        made_of.update(f"{ort.__version__} {EXACT_INT8} {platform.machine()} {_features(cpuinfo)}".encode())
        self._folder = folder
        self._file = folder / f"{made_of.hexdigest()}.onnx"

    def load(self, options: Any) -> Any:
        """A session of the cached model; None where there is none, or it is damaged: then it is deleted."""
        if not self._file.is_file():
            return None
        try:
            session = ort.InferenceSession(str(self._file), options, providers=["CPUExecutionProvider"])
        except Exception:  # onnxruntime's errors share no class of their own
            self._file.unlink(missing_ok=True)
            return None
        with contextlib.suppress(OSError):
            os.utime(self._file)
        return session

    @contextlib.contextmanager
    def writing(self) -> Iterator[Path]:
        """Where the optimiser shall write; cached once the block has ended without an error."""
        self._folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self._folder, prefix=".aside-", ignore_cleanup_errors=True) as aside:
            made = Path(aside, "made.onnx")
            yield made
            if made.is_file():
                made.replace(self._file)
        for old in sorted(self._folder.glob("*.onnx"), key=lambda file: -file.stat().st_mtime)[_MAX_CACHED:]:
            old.unlink(missing_ok=True)


def _features(cpuinfo: Path) -> str:
    """What the CPUs can do: kernels are chosen by it."""
    try:
        text = cpuinfo.read_text(errors="replace")
    except OSError:
        return ""
    return "".join(sorted(set(re.findall(r"^(?:flags|Features|CPU part)\s*:.*$", text, re.M))))
