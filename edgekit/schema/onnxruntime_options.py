"""What every session of ONNX Runtime is told, on the host and on boards, so that all give the same answers."""

from __future__ import annotations

from typing import Final

EXACT_INT8: Final = ("session.x64quantprecision", "1")
"""A session's configuration entry. x86 without VNNI adds products of int8 in 16 bits, which overflow: scores move by a
twentieth, boxes by tens of pixels. With this it takes kernels that do not, and are slower; others have none of it.

Source: ONNX Runtime, onnxruntime_session_options_config_keys.h, kOrtSessionOptionsAvx2PrecisionMode.
"""
