"""Finds a server's addresses within a time: the system's own lookup takes as long as its name servers let it."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from typing import Any, TypeAlias

Address: TypeAlias = tuple[Any, ...]
"""As `socket.getaddrinfo` gives it: family, type, protocol, canonical name, address."""


class NameLookup:
    """One name. A lookup that hangs is left to itself, on a thread of its own, and there is never more than one."""

    def __init__(self, host: str, port: int, find: Callable[..., list[Address]] = socket.getaddrinfo) -> None:
        """Look nothing up yet."""
        self._host, self._port, self._find = host, port, find
        self._pending: _Pending | None = None

    def connect(self, within_s: float) -> socket.socket:
        """A connection to the first address that answers.

        Args:
            within_s: so long lookup and connecting may take together.

        Raises:
            OSError: there is no such name, or nobody answers; TimeoutError: not in time.
        """
        until_s = time.monotonic() + within_s
        failed: OSError = TimeoutError("timed out")
        for family, kind, protocol, _, address in self._addresses(within_s):
            line = socket.socket(family, kind, protocol)
            try:
                line.settimeout(max(0.01, until_s - time.monotonic()))
                line.connect(address)
                line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            except OSError as error:
                line.close()
                failed = error
            else:
                line.settimeout(within_s)
                return line
        raise failed

    def _addresses(self, within_s: float) -> list[Address]:
        if self._pending is not None and self._pending.failed is not None:
            self._pending = None  # it failed behind somebody's back, as long ago as they have paused since
        pending = self._pending = self._pending or _Pending(self._look_up)
        if not pending.done.wait(within_s):
            raise TimeoutError("timed out")
        self._pending = None
        if pending.failed is not None:
            raise pending.failed
        return pending.found

    def _look_up(self) -> list[Address]:
        return self._find(self._host, self._port, type=socket.SOCK_STREAM)


class _Pending:
    """One lookup, which begins now."""

    def __init__(self, look_up: Callable[[], list[Address]]) -> None:
        self.found: list[Address] = []
        self.failed: OSError | None = None
        self.done = threading.Event()
        threading.Thread(target=self._run, args=(look_up,), name="lookup", daemon=True).start()

    def _run(self, look_up: Callable[[], list[Address]]) -> None:
        try:
            self.found = look_up()
        except OSError as error:
            self.failed = error
        except UnicodeError:  # a label that is empty or too long
            self.failed = socket.gaierror(socket.EAI_NONAME, "no such name")
        finally:
            self.done.set()
