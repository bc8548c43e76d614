"""QEMU's control socket. Source: QEMU Machine Protocol Specification."""

from __future__ import annotations

import json
import socket
import time
from pathlib import Path
from typing import Any

from edgekit.errors import EdgekitError, Unreachable

_ANSWER_S = 60.0


class Qmp:
    """One conversation; QEMU takes one client at a time. Use as a context manager."""

    def __init__(self, path: Path, *, wait_s: float = 20.0, answer_s: float = _ANSWER_S) -> None:
        """Connect, waiting `wait_s` for a QEMU that is just starting, and later `answer_s` for each answer.

        Raises:
            Unreachable: nobody listens there, or who listens does not speak: a stopped process.
        """
        self._socket = _connect(path, wait_s)
        self._socket.settimeout(answer_s)
        self._file = self._socket.makefile(encoding="utf-8")
        try:
            self._greet()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Qmp:
        """Itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Hang up."""
        self.close()

    def close(self) -> None:
        """Hang up."""
        self._file.close()
        self._socket.close()

    def __call__(self, command: str, **arguments: object) -> Any:
        """Carry out a command and give its answer; events in between are passed over.

        Raises:
            Unreachable: QEMU has ended or does not answer.
            EdgekitError: QEMU refuses.
        """
        try:
            self._socket.sendall(json.dumps({"execute": command, "arguments": arguments}).encode() + b"\n")
            while line := self._file.readline():
                answer = json.loads(line)
                if "error" in answer:
                    words = f"QEMU refuses {command}: {answer['error'].get('desc', '')}"
                    raise EdgekitError(words, hint="edgekit board up --fresh")
                if "return" in answer:
                    return answer["return"]
        except OSError:
            pass
        raise Unreachable(f"QEMU did not answer {command}", hint="edgekit board list")

    def _greet(self) -> None:
        try:
            self._file.readline()
        except OSError:
            raise Unreachable("QEMU does not greet", hint="edgekit board list") from None
        self("qmp_capabilities")

    def ignore_shared_memory(self) -> None:
        """Before a migration: RAM is a file that both sides map, so it is not copied."""
        self("migrate-set-capabilities", capabilities=[{"capability": "x-ignore-shared", "state": True}])

    def wait_migrated(self, limit_s: float = 60.0) -> None:
        """Wait until a migration has ended well.

        Raises:
            EdgekitError: it failed.
        """
        deadline = time.monotonic() + limit_s
        while (status := self("query-migrate").get("status")) != "completed":
            if status == "failed" or time.monotonic() > deadline:
                raise EdgekitError(f"QEMU's state could not be moved: {status}", hint="edgekit board up --fresh")
            time.sleep(0.01)


def _connect(path: Path, wait_s: float) -> socket.socket:
    deadline = time.monotonic() + wait_s
    while True:
        client = socket.socket(socket.AF_UNIX)
        try:
            client.connect(str(path))
            return client
        except OSError:
            client.close()
            if time.monotonic() > deadline:
                raise Unreachable("QEMU does not listen", hint="edgekit board list") from None
            time.sleep(0.01)
