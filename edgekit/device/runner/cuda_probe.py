"""Asks the CUDA driver whether there is a GPU, in a child: without one some libraries crash instead of saying so.

Source: CUDA driver API, cuInit, cuDriverGetVersion, cuDeviceGetCount; TensorRT 8.6 and lean 11.4 were seen to crash.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from edgekit.errors import EdgekitError, EngineError, InputError
from edgekit.executor import Executor

_TIMEOUT_S = 60.0
_CHILD = """
import ctypes, json, sys
try:
    cuda = ctypes.CDLL(sys.argv[1])
except OSError as error:
    print(json.dumps({"library": str(error)}))
    sys.exit()
version, count = ctypes.c_int(), ctypes.c_int()
for name, arguments in (("cuInit", (0,)), ("cuDriverGetVersion", (ctypes.byref(version),)),
                        ("cuDeviceGetCount", (ctypes.byref(count),))):
    code = getattr(cuda, name)(*arguments)
    if code:
        print(json.dumps({"call": name, "code": code}))
        sys.exit()
print(json.dumps({"version": version.value, "devices": count.value}))
"""
_CODES = {35: "the driver is older than this CUDA", 100: "no device", 999: "unknown: often a module of the kernel"}
"""Source: CUDA driver API, CUresult."""
_HINT = "on a Jetson: dmesg | grep -i nvgpu, and is the user in group video?"


@dataclass(frozen=True, slots=True, kw_only=True)
class CudaFacts:
    """What the driver says."""

    driver: str
    """Newest CUDA that it serves: `12.6`."""
    devices: int


def probe_cuda(executor: Executor, python: str, library: str = "libcuda.so.1") -> CudaFacts:
    """Look for a GPU.

    Args:
        executor: runs the child.
        python: its interpreter.
        library: the driver's library.

    Raises:
        EngineError: no driver, no GPU, or asking for it crashes.
    """
    try:
        done = executor.run([python, "-I", "-c", _CHILD, library], timeout_s=_TIMEOUT_S)
    except InputError:
        raise
    except EdgekitError as error:
        raise EngineError(f"CUDA does not answer: {error.message}", hint=_HINT, details=error.details) from None
    if done.returncode < 0:
        message = f"asking for CUDA crashes, with signal {-done.returncode}"
        raise EngineError(message, hint=_HINT, details=done.output)
    try:
        answer = json.loads(done.text)
    except ValueError:
        raise EngineError("asking for CUDA failed", hint=_HINT, details=done.output) from None
    if "library" in answer:
        raise EngineError(
            f"there is no CUDA driver: {answer['library']}",
            hint="install the board maker's packages; in a container, start it with the GPU",
        )
    if "call" in answer:
        code = answer["code"]
        meaning = f" ({_CODES[code]})" if code in _CODES else ""
        raise EngineError(f"CUDA cannot be used: {answer['call']} failed with {code}{meaning}", hint=_HINT)
    if not answer["devices"]:
        raise EngineError("the CUDA driver finds no GPU", hint=_HINT)
    version = answer["version"]
    return CudaFacts(driver=f"{version // 1000}.{version % 1000 // 10}", devices=answer["devices"])
