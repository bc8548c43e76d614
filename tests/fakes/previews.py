"""The device's side of a preview, without one: an executor whose programs answer a request as the test says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from edgekit.errors import EdgekitError
from edgekit.executor import Completed
from edgekit.schema.answer import ANSWER_MARK

HELLO = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello"


class FakePreview:
    """An `Executor`; set its fields to have it behave."""

    name = "fake"

    def __init__(self) -> None:
        self.answer = HELLO
        self.says = ""
        """What stands on standard error where nobody serves."""
        self.error: EdgekitError | None = None
        self.asked: list[str] = []
        self.closed = 0

    def run(
        self,
        argv: Sequence[str],
        *,
        timeout_s: float,
        stdin: bytes = b"",
        env: Mapping[str, str] | None = None,
        cwd: str | None = None,
    ) -> Completed:
        raise NotImplementedError

    def open(self, argv: Sequence[str]) -> PreviewAnswer:
        assert list(argv[-2:]) == ["--preview", "sorter"]
        if self.error:
            raise self.error
        return PreviewAnswer(self)

    def close(self) -> None:
        """Nothing is held."""


class PreviewAnswer:
    """One connection, as `Executor.open` gives it."""

    def __init__(self, preview: FakePreview) -> None:
        self._preview = preview
        self._out = bytearray(b"" if preview.says else f"Welcome!\n{ANSWER_MARK}\n".encode())

    def write(self, data: bytes) -> None:
        self._preview.asked.append(data.decode().partition("\r\n")[0])
        self._out += self._preview.answer

    def readline(self, limit: int) -> bytes:
        return self.read(self._out.find(b"\n") + 1 or len(self._out))

    def read(self, size: int) -> bytes:
        data = bytes(self._out[:size])
        del self._out[:size]
        return data

    def receive(self, limit: int) -> bytes:
        return self.read(limit)

    def settimeout(self, seconds: float | None) -> None:
        """It answers at once."""

    def errors(self) -> str:
        return self._preview.says

    def close(self) -> None:
        self._preview.closed += 1
