"""A few words with the keeper of the board that this runs on. Its text is sent with that of others.

Python 3.10 and newer, standard library alone. Source: `edgekit.schema.control`.
"""

from __future__ import annotations

import json
import socket
import struct
from dataclasses import dataclass
from typing import Any

_MOST_BYTES = 4 << 20
_PEER = struct.Struct("3i")


class RefusedByKeeper(Exception):
    """The keeper answered with an error; its words."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code
        """As `edgekit.errors` has it."""


class KeeperSocket:
    """One conversation. What it locks is free again once this is closed."""

    def __init__(self, path: str, patience_s: float = 10.0) -> None:
        """Connect. Raises OSError where nobody answers, PermissionError without the right to ask."""
        self._socket = socket.socket(socket.AF_UNIX)
        try:
            self._socket.settimeout(patience_s)
            self._socket.connect(path)
            self._lines = self._socket.makefile("rb")
        except OSError:
            self._socket.close()
            raise

    @property
    def pid(self) -> int:
        """The process that listens. Source: unix(7), SO_PEERCRED."""
        raw = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size)
        return int(_PEER.unpack(raw)[0])

    def ask(self, verb: str, **fields: str) -> dict[str, Any]:
        """The data of the last event that answers a request.

        Raises:
            RefusedByKeeper: it answered with an error.
            OSError: the connection broke.
            ValueError: what came is no answer.
        """
        self._socket.sendall(json.dumps({"verb": verb, **fields}).encode() + b"\n")
        while True:
            line = self._lines.readline(_MOST_BYTES)
            if not line.endswith(b"\n"):
                raise ConnectionError("the keeper hung up")
            event = json.loads(line)
            if event.get("kind") == "error":
                raise RefusedByKeeper(str(event.get("message", "")), int(event.get("exit_code", 1)))
            if event.get("kind") == "done":
                data = event.get("data", {})
                return data if isinstance(data, dict) else {}

    def close(self) -> None:
        """Hang up."""
        self._lines.close()
        self._socket.close()


@dataclass(frozen=True)
class SeenKeeper:
    """What a keeper said of itself and its applications."""

    sha256: str
    """Of the program that runs."""
    pid: int
    applications: frozenset[str]
    healthy: frozenset[str]
    """Those of them that run and are healthy."""


def see_keeper(path: str, patience_s: float = 10.0) -> SeenKeeper | None:
    """Ask the keeper who it is and how its applications are; None where it does not answer, or not in these words."""
    try:
        keeper = KeeperSocket(path, patience_s)
    except OSError:
        return None
    try:
        sha256 = str(keeper.ask("hello")["keeper_sha256"])
        found = keeper.ask("status").get("applications", [])
        names = frozenset(str(one["application"]) for one in found)
        healthy = frozenset(
            str(one["application"]) for one in found if one.get("healthy") and one["phase"] == "running"
        )
        return SeenKeeper(sha256=sha256, pid=keeper.pid, applications=names, healthy=healthy)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RefusedByKeeper):
        return None
    finally:
        keeper.close()
