"""The stand-in for the CUDA driver's library, as tests tell it what to do."""

from __future__ import annotations

import ctypes
from pathlib import Path

from tests.fakes.pycuda import Driver

_CURRENT = ctypes.CFUNCTYPE(ctypes.c_int)


class FakeDriver:
    """`cudastreams.c`, compiled and loaded: its own view of how it was called."""

    def __init__(self, path: Path, cuda: Driver, least: int = 0, greatest: int = -5) -> None:
        """Its streams are those of `cuda` too, and its contexts are pushed there."""
        self.path = str(path)
        library = self._library = ctypes.CDLL(self.path)
        library.fake_faults.restype = library.fake_calls.restype = ctypes.c_char_p
        library.fake_level.argtypes = library.fake_is_stream.argtypes = (ctypes.c_void_p,)
        self._current = _CURRENT(lambda: bool(cuda.stack()))
        library.fake_reset(least, greatest, self._current)
        cuda.knows = lambda handle: bool(library.fake_is_stream(handle))

    @property
    def faults(self) -> str:
        return self._library.fake_faults().decode()

    @property
    def calls(self) -> list[str]:
        return self._library.fake_calls().decode().split()

    @property
    def live(self) -> int:
        return self._library.fake_live()

    @property
    def waited(self) -> int:
        return self._library.fake_waited()

    def level(self, handle: int) -> int:
        return self._library.fake_level(handle)

    def fail(self, call: str, code: int) -> None:
        self._library.fake_fail(call.encode(), code)
