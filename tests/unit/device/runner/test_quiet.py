"""ONNX Runtime tells nobody of the models that it loads, and has no thread that no plan knows."""

from __future__ import annotations

import os
import subprocess
import sys

_COUNT = """
import os, edgekit.device.runner.onnxruntime
print(os.listdir("/proc/self/task") == [str(os.getpid())])
"""


def test_importing_it_starts_no_thread() -> None:
    quiet_by_themselves = ("CI", "ORT_DISABLE_TELEMETRY", "ORT_RUNNING_UNIT_TESTS")
    environ = {name: value for name, value in os.environ.items() if name not in quiet_by_themselves}
    environ |= {"OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, "-c", _COUNT], env=environ, capture_output=True, text=True, check=True)
    assert done.stdout == "True\n"
