"""The one door to other programs, here and on devices. Nothing else in edgekit starts a process.

`Executor` is what callers take; `local.LocalExecutor` and `ssh.SshExecutor` are what they get.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable


@dataclass(frozen=True, slots=True, kw_only=True)
class Completed:
    """A program that has ended."""

    argv: tuple[str, ...]
    returncode: int
    """Negative: killed by that signal."""
    stdout: bytes
    stderr: bytes

    @property
    def text(self) -> str:
        """Standard output as text, stripped."""
        return self.stdout.decode(errors="replace").strip()

    @property
    def errors(self) -> str:
        """Standard error as text, stripped."""
        return self.stderr.decode(errors="replace").strip()

    @property
    def output(self) -> str:
        """Both streams as text, for an error's details."""
        return (self.stdout + self.stderr).decode(errors="replace").strip()


class Stream(Protocol):
    """A running program as a two-way byte stream. Close it: that ends the program."""

    def write(self, data: bytes) -> None:
        """Write everything. Raises Unreachable when the other side is gone."""

    def readline(self, limit: int) -> bytes:
        """Read one line of at most `limit` bytes, newline included; b"" at the end. Raises Unreachable."""

    def read(self, size: int) -> bytes:
        """Read exactly `size` bytes, or fewer at the end. Raises Unreachable."""

    def receive(self, limit: int) -> bytes:
        """What has come, at least one byte of it and `limit` at most; b"" at the end. Raises Unreachable."""

    def settimeout(self, seconds: float | None) -> None:
        """How long one read or write may take before Unreachable is raised, also while bytes drip; None is for ever."""

    def errors(self) -> str:
        """What the program has written to standard error so far, the first MiB of it."""

    def close(self) -> None:
        """End the program and free the channel. May be called twice."""


class Executor(Protocol):
    """Runs programs on one machine."""

    @property
    def name(self) -> str:
        """The machine, for messages: `this machine`, `root@10.0.0.7:22`."""

    def run(
        self,
        argv: Sequence[str],
        *,
        timeout_s: float,
        stdin: bytes = b"",
        env: Mapping[str, str] | None = None,
        cwd: str | None = None,
    ) -> Completed:
        """Run to the end. A non-zero exit is a result, not an error.

        Args:
            argv: program and arguments; no shell takes part.
            timeout_s: after it the program is killed and Unreachable (remote) or EdgekitError (local) raised.
            stdin: handed to the program; no terminal is ever attached.
            env: variables added to the environment.
            cwd: folder to run in.

        Raises:
            InputError: the program does not exist on this machine (local).
            Unreachable: the device does not answer (remote).
        """

    def open(self, argv: Sequence[str]) -> Stream:
        """Start a program and talk to it."""

    def close(self) -> None:
        """Free what the executor holds. May be called twice."""


@runtime_checkable
class OpensSockets(Protocol):
    """An executor that reaches sockets on its machine without a program there."""

    def open_socket(self, path: str) -> Stream | None:
        """Connect to a Unix socket over there; None where that is not allowed, or nobody listens: a program tells why.

        Raises:
            Unreachable: the device does not answer.
        """
