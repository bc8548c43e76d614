"""The stand-in for the 2D engine's library, as tests tell it what to do."""

from __future__ import annotations

import ctypes
from pathlib import Path

from edgekit.device.runner.librga import Librga, open_rga


class FakeRga:
    """`librga.c`, compiled and loaded: its own view of how it was called."""

    def __init__(self, path: Path) -> None:
        self.path = str(path)
        self._library = ctypes.CDLL(self.path)
        self._library.fake_faults.restype = ctypes.c_char_p
        self._text = b""
        self.reset()

    @property
    def faults(self) -> str:
        return self._library.fake_faults().decode()

    @property
    def live(self) -> int:
        """How many imports are open."""
        return self._library.fake_live()

    @property
    def jobs(self) -> int:
        """How many pictures it has written."""
        return self._library.fake_jobs()

    def fail(self, call: str, status: int) -> None:
        self._library.fake_fail(call.encode(), status)

    def tell(self, version: str) -> None:
        """Be another version, or another machine's."""
        self._text = version.encode()
        self._library.fake_version(self._text)

    def reset(self) -> None:
        """Free what is left, and forget all faults."""
        self._library.fake_reset()

    def open(self) -> Librga:
        return open_rga([self.path])
