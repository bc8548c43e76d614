"""Speaks with the agent on a builder device (`edgekit/sent/builder_agent.py`, sent as text).

Every answer is bounded in size and time and read as what it has to be; one that is not ends the conversation.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from edgekit.errors import EngineError, LockHeld, Unreachable
from edgekit.executor import Executor, Stream
from edgekit.executor.sent_program import open_program, skip_greeting
from edgekit.host.blobs import cut_file
from edgekit.host.engine.builder.answers import BuilderFault, details_of, distrust, one_line, parse_answer, read_answer
from edgekit.host.engine.builder.devices import BuilderDevice, Patience
from edgekit.schema.builder_agent import (
    AgentRefusal,
    FetchAnswer,
    HaveAnswer,
    LayAnswer,
    LockHolder,
    ReserveAnswer,
    RunAnswer,
    WipeAnswer,
)
from edgekit.schema.message import Message
from edgekit.trust import sha256_bytes

_AGENT = Path(__file__).parents[3] / "sent" / "builder_agent.py"
_MAX_LINE_BYTES = 4 << 20
MAX_ANSWER_BYTES = 16 << 20
_PIECE_BYTES = 256 << 10
_MOST_NEWS = 100_000
"""Of one program: notes of progress and signs of life."""
_SLOWEST_BYTES_PER_S = 16 << 10
"""Of a link: a transfer that takes longer than at this rate is given up."""
_Answer = TypeVar("_Answer", bound=Message)


class Held(Exception):
    """Somebody else has reserved the device."""

    def __init__(self, holder: LockHolder) -> None:
        super().__init__(holder.holder)
        self.holder, self.what, self.for_s = one_line(holder.holder), one_line(holder.what), holder.for_s

    def __str__(self) -> str:
        """`anna@desk has been compiling parts there for 40 s`."""
        return f"{self.holder} has been compiling {self.what or 'something'} there for {self.for_s:.0f} s"

    def as_error(self, device: str) -> LockHeld:
        """For who does not wait."""
        return LockHeld(f"{device}: {self}", hint="wait for it, or name another device", holder=self.holder)


class AgentClient:
    """One conversation with one device. Use as a context manager: the lock ends with it."""

    def __init__(self, device: BuilderDevice, executor: Executor, python: str, patience: Patience) -> None:
        """Start the agent.

        Args:
            device: the device.
            executor: how to get there.
            python: its interpreter.
            patience: how long it may take.
        """
        self._device, self._patience = device, patience
        self._stream: Stream = open_program(executor, python, _AGENT.read_text(encoding="utf-8"), device.folder)
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
        held = self._ask(ReserveAnswer, "reserve", self._patience.answer_s, holder=holder, what=what).held
        if held is not None:
            raise Held(held)

    def find_missing(self, sizes: Mapping[str, int]) -> dict[str, int]:
        """Which files are not there whole, and how many bytes of each are; both by SHA-256."""
        missing = self._ask(HaveAnswer, "have", self._patience.files_s, sizes=sizes).missing
        for sha256, there in missing.items():
            if there > sizes.get(sha256, -1):
                raise distrust(self.name, f"it misses a file that nobody has named, or has too much of it: {sha256}")
        return missing

    def send(self, sha256: str, file: Path, offset: int, advance: Callable[[int], None]) -> None:
        """Bring a file there, from where an earlier try broke.

        Args:
            sha256: its digest.
            file: where it lies here.
            offset: how much of it is there.
            advance: called with each number of further bytes.
        """
        size = file.stat().st_size
        until = self._until(self._patience.answer_s + size / _SLOWEST_BYTES_PER_S)
        for piece in cut_file(file, offset, size, _PIECE_BYTES):
            header = {"sha256": sha256, "offset": piece.offset, "encoding": piece.encoding, "last": piece.last}
            self._send({"verb": "put", **header, "payload_bytes": len(piece.payload)}, piece.payload, until)
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
        return self._ask(LayAnswer, "lay", self._patience.files_s, folder=folder, files=files, keep=keep).path

    def run(self, argv: Sequence[str], cwd: str, deadline_s: float, progress: Callable[[str], None]) -> RunAnswer:
        """Run a program to its end; Ctrl-C here ends it there, and so does the agent at the deadline.

        Returns:
            Its last answer, with `returncode`; `ended_by` is `deadline` where it took longer.

        Raises:
            BuilderFault: it is not ended some time after the deadline.
        """
        until = self._until(deadline_s + self._patience.answer_s)
        self._send({"verb": "run", "argv": list(argv), "cwd": cwd, "deadline_s": deadline_s}, b"", until)
        try:
            for _ in range(_MOST_NEWS):
                answer = self._answer(RunAnswer, until)
                if answer.returncode is not None:
                    return answer
                if answer.progress:
                    progress(one_line(answer.progress))
        except KeyboardInterrupt:
            with contextlib.suppress(EngineError, Unreachable):  # or else another device would be asked
                self._send({"verb": "cancel"}, b"", self._until(self._patience.answer_s))
            raise
        raise self._endless()

    def fetch(self, path: str, limit: int = MAX_ANSWER_BYTES) -> bytes | None:
        """A file that a program left, of `limit` bytes at most; None where there is none."""
        answer = self._ask(FetchAnswer, "fetch", self._patience.files_s, path=path, limit=limit)
        if answer.missing:
            return None
        size = answer.payload_bytes
        if size is None or answer.sha256 is None:
            raise distrust(self.name, f"it does not say how large {path} is, or what digest it has")
        if size > limit:
            raise distrust(self.name, f"{path} has {size} bytes there, {limit} are the most that it can have")
        until = self._until(self._patience.answer_s + size / _SLOWEST_BYTES_PER_S)
        data = bytearray()
        while len(data) < size and (piece := self._read(min(_PIECE_BYTES, size - len(data)), until)):
            data += piece
        if sha256_bytes(bytes(data)) != answer.sha256:
            raise Unreachable(f"{path} came broken from {self.name}", hint="run the same command again")
        return bytes(data)

    def wipe(self, folder: str) -> None:
        """Delete a folder that was laid out, with what programs left there."""
        self._ask(WipeAnswer, "wipe", self._patience.files_s, folder=folder)

    def clean(self) -> int:
        """Delete all that the agent keeps on the device; gives how many bytes were freed."""
        return self._ask(WipeAnswer, "clean", self._patience.files_s).bytes

    def _until(self, seconds: float) -> float:
        return time.monotonic() + seconds

    def _ask(self, cls: type[_Answer], verb: str, within_s: float, **fields: object) -> _Answer:
        until = self._until(within_s)
        self._send({"verb": verb, **fields}, b"", until)
        return self._answer(cls, until, within_s)

    def _answer(self, cls: type[_Answer], until: float, silence_s: float = 0.0) -> _Answer:
        """The next answer, as the type that it has to be; one may be silent so long, by default `answer_s`."""
        if not self._greeted and not skip_greeting(lambda limit: self._line(limit, until, silence_s)):
            raise self._broken(b"")
        self._greeted = True
        line = self._line(_MAX_LINE_BYTES, until, silence_s)
        if not line.endswith(b"\n"):
            raise self._broken(line)
        raw = parse_answer(line, self.name)
        if "error" in raw:
            refusal = read_answer(AgentRefusal, raw, self.name)
            hint = one_line(refusal.hint) or "report this"
            raise BuilderFault(f"the builder {self.name} cannot go on: {one_line(refusal.error)}", hint=hint)
        return read_answer(cls, raw, self.name)

    def _line(self, limit: int, until: float, silence_s: float) -> bytes:
        self._wait_at_most(until, silence_s)
        try:
            return self._stream.readline(limit)
        except Unreachable as error:
            raise self._gone(error) from None

    def _read(self, size: int, until: float) -> bytes:
        self._wait_at_most(until)
        try:
            return self._stream.read(size)
        except Unreachable as error:
            raise self._gone(error) from None

    def _send(self, request: dict[str, object], payload: bytes, until: float) -> None:
        self._wait_at_most(until)
        try:
            self._stream.write(json.dumps(request).encode() + b"\n" + payload)
        except Unreachable as error:
            raise self._gone(error) from None

    def _wait_at_most(self, until: float, silence_s: float = 0.0) -> None:
        """Bound what comes next: by silence, and by the end of what it is part of, however lively the device is."""
        left = until - time.monotonic()
        if left <= 0:
            raise self._endless()
        self._stream.settimeout(min(left, silence_s or self._patience.answer_s))

    def _endless(self) -> BuilderFault:
        return distrust(self.name, "it talks on and comes to no end")

    def _gone(self, error: Unreachable) -> Unreachable:
        return Unreachable(
            f"{_STOPPED.format(self.name)}: {error.message}", hint=_LOOK, details=details_of(error.details)
        )

    def _broken(self, line: bytes) -> Unreachable:
        details = details_of(line) + "\n" + details_of(self._stream.errors())
        return Unreachable(_STOPPED.format(self.name), hint=_LOOK, details=details.strip())


_STOPPED = "the builder {} stopped answering"
_LOOK = "look at the device and the link, then run the same command again: what it has compiled is kept there"
