"""Compiles one CUDA source file; started by `compiler.py` in the sandbox, and imports nothing of edgekit.

    python worker.py LIBRARY SOURCE CUBIN OPTION...

Exit code 3 means that the source does not compile: the compiler's words are on standard error.
Source: NVIDIA, NVRTC 12.6 and 13.2, "Basic usage".
"""

from __future__ import annotations

import ctypes
import sys
from pathlib import Path

_FAILED = 3


def main(library: str, source: str, cubin: str, *options: str) -> int:
    """Compile; the exit code."""
    nvrtc = ctypes.CDLL(library)
    program = ctypes.c_void_p()
    text, name = Path(source).read_bytes(), Path(source).name.encode()
    _check(nvrtc, nvrtc.nvrtcCreateProgram(ctypes.byref(program), text, name, 0, None, None))
    words = (ctypes.c_char_p * len(options))(*(option.encode() for option in options))
    failed = nvrtc.nvrtcCompileProgram(program, len(options), words)
    sys.stderr.write(_got(nvrtc, program, "ProgramLog").rstrip(b"\0").decode(errors="replace"))
    if failed:
        return _FAILED
    Path(cubin).write_bytes(_got(nvrtc, program, "CUBIN"))
    return 0


def _got(nvrtc: ctypes.CDLL, program: ctypes.c_void_p, what: str) -> bytes:
    size = ctypes.c_size_t()
    _check(nvrtc, getattr(nvrtc, f"nvrtcGet{what}Size")(program, ctypes.byref(size)))
    room = ctypes.create_string_buffer(size.value)
    _check(nvrtc, getattr(nvrtc, f"nvrtcGet{what}")(program, room))
    return room.raw


def _check(nvrtc: ctypes.CDLL, result: int) -> None:
    if result:
        nvrtc.nvrtcGetErrorString.restype = ctypes.c_char_p
        raise SystemExit(nvrtc.nvrtcGetErrorString(result).decode())


if __name__ == "__main__":
    raise SystemExit(main(*sys.argv[1:]))
