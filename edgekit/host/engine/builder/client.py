"""Speaks with the agent on a builder device (`edgekit/sent/builder_agent.py`, sent as text)."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from edgekit.errors import EngineError, Unreachable
from edgekit.executor import Executor, Stream
from edgekit.executor.sent_program import open_program, skip_greeting
from edgekit.host.blobs import cut_file
from edgekit.host.engine.builder.devices import BuilderDevice
from edgekit.trust import sha256_bytes

_AGENT = Path(__file__).parents[3] / "sent" / "builder_agent.py"
_MAX_LINE_BYTES = 4 << 20
MAX_ENGINE_BYTES = 4 << 30
_MAX_ANSWER_BYTES = 16 << 20
_PIECE_BYTES = 1 << 20
_SILENCE_S = 60.0
"""While a program runs, something comes every few seconds."""
_LAY_S = 600.0


class Held(Exception):
    """Somebody else has reserved the device."""

    def __init__(self, holder: str, what: str, for_s: float) -> None:
        super().__init__(holder)
        self.holder, self.what, self.for_s = holder, what, for_s

    def __str__(self) -> str:
        """`anna@desk has been compiling parts there for 40 s`."""
        return f"{self.holder} has been compiling {self.what or 'something'} there for {self.for_s:.0f} s"


class AgentClient:
    """One conversation with one device. Use as a context manager: the lock ends with it."""

    def __init__(self, device: BuilderDevice, executor: Executor, python: str) -> None:
        """Start the agent.

        Args:
            device: the device.
            executor: how to get there.
            python: its interpreter.
        """
        self._device = device
        self._stream: Stream = open_program(executor, python, _AGENT.read_text(encoding="utf-8"), device.folder)
        self._stream.settimeout(_SILENCE_S)
        self._greeted = False

    @property
    def name(self) -> str:
        """The device's name."""
        return self._device.name

    def __enter__(self) -> AgentClient:
        return self

    def __exit__(self, *_: object) -> None:
        """Hang up."""
        self._stream.close()

    def reserve(self, holder: str, what: str) -> None:
        """Take the device's lock.

        Raises:
            Held: somebody else has it.
        """
        held = self._ask("reserve", holder=holder, what=what).get("held")
        if held:
            raise Held(str(held.get("holder", "")), str(held.get("what", "")), float(held.get("for_s", 0)))

    def find_missing(self, sizes: Mapping[str, int]) -> dict[str, int]:
        """Which files are not there whole, and how many bytes of each are; both by SHA-256."""
        return {str(sha256): int(there) for sha256, there in self._ask("have", sizes=sizes)["missing"].items()}

    def send(self, sha256: str, file: Path, offset: int, advance: Callable[[int], None]) -> None:
        """Bring a file there, from where an earlier try broke.

        Args:
            sha256: its digest.
            file: where it lies here.
            offset: how much of it is there.
            advance: called with each number of further bytes.
        """
        for piece in cut_file(file, offset, file.stat().st_size, _PIECE_BYTES):
            header = {"sha256": sha256, "offset": piece.offset, "encoding": piece.encoding, "last": piece.last}
            self._send({"verb": "put", **header, "payload_bytes": len(piece.payload)}, piece.payload)
            advance(piece.size_bytes)

    def lay(self, folder: str, files: Sequence[dict[str, object]], *, keep: bool) -> str:
        """Lay sent files out in a folder.

        Args:
            folder: its name.
            files: path, sha256 and executable of each.
            keep: it is named by its content: one that is there and undamaged is used again.

        Returns:
            Its path on the device.
        """
        self._stream.settimeout(_LAY_S)
        path = self._ask("lay", folder=folder, files=files, keep=keep)["path"]
        self._stream.settimeout(_SILENCE_S)
        return str(path)

    def run(self, argv: Sequence[str], cwd: str, deadline_s: float, progress: Callable[[str], None]) -> dict[str, Any]:
        """Run a program to its end; Ctrl-C here ends it there.

        Returns:
            returncode, output, ended_by (`deadline` where it took longer).
        """
        self._send({"verb": "run", "argv": list(argv), "cwd": cwd, "deadline_s": deadline_s})
        try:
            while "returncode" not in (answer := self._answer()):
                if "progress" in answer:
                    progress(str(answer["progress"]))
        except KeyboardInterrupt:
            self._send({"verb": "cancel"})
            raise
        return answer

    def fetch(self, path: str, limit: int = _MAX_ANSWER_BYTES) -> bytes | None:
        """A file that a program left, of `limit` bytes at most; None where there is none."""
        answer = self._ask("fetch", path=path)
        if answer.get("missing"):
            return None
        size = int(answer["payload_bytes"])
        if not 0 <= size <= limit:
            raise self._refused(f"{path} has {size} bytes, {limit} are taken", "report this")
        data = bytearray()
        while len(data) < size and (piece := self._stream.read(min(_PIECE_BYTES, size - len(data)))):
            data += piece
        if sha256_bytes(bytes(data)) != answer["sha256"]:
            raise Unreachable(f"{path} came broken from {self._device.name}", hint="run the same command again")
        return bytes(data)

    def _ask(self, verb: str, **fields: object) -> dict[str, Any]:
        self._send({"verb": verb, **fields})
        return self._answer()

    def _send(self, request: dict[str, object], payload: bytes = b"") -> None:
        self._stream.write(json.dumps(request).encode() + b"\n" + payload)

    def _answer(self) -> dict[str, Any]:
        if not self._greeted and not skip_greeting(self._stream.readline):
            raise self._broken(b"")
        self._greeted = True
        line, answer = self._stream.readline(_MAX_LINE_BYTES), None
        with contextlib.suppress(ValueError):
            answer = json.loads(line)
        if not isinstance(answer, dict):
            raise self._broken(line)
        if "error" in answer:
            raise self._refused(str(answer["error"]), str(answer.get("hint", "")))
        return answer

    def _refused(self, message: str, hint: str) -> EngineError:
        return EngineError(f"{self._device.name} cannot compile: {message}", hint=hint or "report this")

    def _broken(self, line: bytes) -> Unreachable:
        details = (line.decode(errors="replace") + self._stream.errors()).strip()
        return Unreachable(
            f"the builder {self._device.name} stopped answering",
            hint="look at the device and the link, then run the same command again: what it has compiled is kept there",
            details=details[-4000:],
        )
