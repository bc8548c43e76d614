"""What goes to builder devices starts with what `worker.toml` sends there: NumPy, and no OpenCV or PyAV."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import edgekit

_IMPORT_ALL = """
import importlib, pkgutil, sys
for missing in ("cv2", "av", "edgekit_kernels"):
    sys.modules[missing] = None
import edgekit.device.builder as builder
for module in pkgutil.iter_modules(builder.__path__):
    importlib.import_module(f"edgekit.device.builder.{module.name}")
from edgekit.device.runner import RUNNERS
for runner in RUNNERS.values():
    importlib.import_module(runner)
"""


def test_every_module_of_a_builder_device_is_importable_without_opencv() -> None:
    root = Path(edgekit.__file__).parents[1]
    done = subprocess.run(
        [sys.executable, "-c", _IMPORT_ALL], cwd=root, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
