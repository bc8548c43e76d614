"""Workers without processes: what the supervisor sees of them is real descriptors, moved by the test."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
from collections.abc import Callable, Mapping, Sequence

from edgekit.schema.message import to_line
from edgekit.schema.report import Report


class FakeChild:
    """A `Child` that does what the test says. `obedient` ends on SIGTERM."""

    def __init__(self, argv: Sequence[str], report_fd: int, *given: int, obedient: bool) -> None:
        self.argv = list(argv)
        self.settings = b"".join(map(_read, given[:1]))
        self._listeners = [socket.socket(fileno=os.dup(fd)) for fd in given[1:-1]]
        self.preview = self._listeners[0] if self._listeners else None
        """What it accepts viewers on, or clients of models where it has no preview."""
        self.pid = 4_000_000
        self.obedient = obedient
        self.code: int | None = None
        self.signals: list[int] = []
        self.pulse: Report | None = None
        """Reported at every turn of the bench."""
        self.requests = 0
        """That `asked` has seen."""
        self._report = socket.socket(fileno=os.dup(report_fd))
        self._heard, self._speak = socket.socketpair()
        self._heard.setblocking(False)
        self.output = self._heard.fileno()

    def report(self, report: Report) -> None:
        self.send(to_line(report))

    def send(self, raw: bytes) -> None:
        self._report.sendall(raw)

    def heard(self) -> bytes:
        """What its keeper has told it since it was asked last."""
        with contextlib.suppress(BlockingIOError):
            return self._report.recv(1 << 16, socket.MSG_DONTWAIT)
        return b""

    def asked(self) -> bool:
        """Wait for a request of who started it; False where it is gone."""
        with contextlib.suppress(OSError):
            if self._report.recv(1):
                self.requests += 1
                return True
        return False

    def say(self, text: str) -> None:
        self._speak.sendall(text.encode())

    def end(self, code: int) -> None:
        if self.code is None:
            self.code = code
            with contextlib.suppress(OSError):  # the other end is gone
                self._report.shutdown(socket.SHUT_RDWR)  # wakes a thread in `asked`, which closing alone does not
            self._report.close()
            self._speak.close()
            for listener in self._listeners:
                listener.close()

    def ended(self) -> bool:
        return self.code is not None

    def signal(self, number: int) -> None:
        self.signals.append(number)
        if self.obedient and number == signal.SIGTERM:
            self.end(0)

    def kill(self) -> None:
        self.signals.append(signal.SIGKILL)
        self.end(-signal.SIGKILL)

    def reap(self) -> int:
        assert self.code is not None
        self._heard.close()
        return self.code


def _read(fd: int) -> bytes:
    with os.fdopen(os.dup(fd), "rb") as file:
        return file.read()


class FakeStarter:
    """A `Starter` that keeps its children where the test finds them; `on_start` may make them act at once."""

    def __init__(self, on_start: Callable[[FakeChild], None] = lambda child: None) -> None:
        self.children: list[FakeChild] = []
        self.on_start = on_start
        self.obedient = True
        self.error: Exception | None = None

    def __call__(self, argv: Sequence[str], *, env: Mapping[str, str], cwd: str, inherit: Sequence[int]) -> FakeChild:
        if self.error:
            raise self.error
        child = FakeChild(argv, *inherit, obedient=self.obedient)
        self.children.append(child)
        self.on_start(child)
        return child

    @property
    def last(self) -> FakeChild:
        return self.children[-1]
