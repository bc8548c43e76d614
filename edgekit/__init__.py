"""edgekit gets vision AI onto ARM edge boards and keeps it running there."""

import os as _os

__version__ = "0.1.0"

_os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
"""Before anything imports ONNX Runtime: since 1.29 its Linux wheels tell their maker of each model that is loaded, on a
thread of their own. Source: ONNX Runtime 1.29.0, POSIX telemetry (microsoft/onnxruntime#27379)."""
