"""A program that runs beside its starter for as long as both like: the keeper's workers."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from typing import Protocol

from edgekit.executor.starting import why_not_started


class Child(Protocol):
    """A started program, leader of a session and process group of its own."""

    @property
    def pid(self) -> int:
        """Its process id, valid until `reap`."""

    @property
    def output(self) -> int:
        """Readable, non-blocking file descriptor: standard output and error together. Closed by `reap`."""

    def ended(self) -> bool:
        """Whether the program itself has ended. Its children may live on until `kill`."""

    def signal(self, number: int) -> None:
        """Send a signal to the program alone; nothing happens where it has ended."""

    def kill(self) -> None:
        """SIGKILL to its whole process group, whether or not the program itself has ended."""

    def reap(self) -> int:
        """Wait for the program, free its process id and descriptors; negative is the signal that ended it."""


class Starter(Protocol):
    """Starts programs as children."""

    def __call__(self, argv: Sequence[str], *, env: Mapping[str, str], cwd: str, inherit: Sequence[int]) -> Child:
        """Start a program with exactly this environment and, beside the standard three, these descriptors.

        Raises:
            InputError: there is no such program, or it may not be run.
        """


class LocalChild:
    """A child of this process."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout is not None
        self._process = process
        self._stdout = process.stdout
        os.set_blocking(self._stdout.fileno(), False)

    @property
    def pid(self) -> int:
        """See `Child.pid`."""
        return self._process.pid

    @property
    def output(self) -> int:
        """See `Child.output`."""
        return self._stdout.fileno()

    def ended(self) -> bool:
        """See `Child.ended`. The zombie stays, so that its process group's number cannot be given away."""
        if self._process.returncode is not None:
            return True
        return os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None

    def signal(self, number: int) -> None:
        """See `Child.signal`."""
        if not self.ended():
            os.kill(self.pid, number)

    def kill(self) -> None:
        """See `Child.kill`."""
        if self._process.returncode is None:
            try:
                os.killpg(self.pid, signal.SIGKILL)
            except ProcessLookupError:  # between fork and setsid there is no such group yet
                os.kill(self.pid, signal.SIGKILL)

    def reap(self) -> int:
        """See `Child.reap`."""
        code = self._process.wait()
        self._stdout.close()
        return code


def start_child(argv: Sequence[str], *, env: Mapping[str, str], cwd: str, inherit: Sequence[int]) -> Child:
    """Start a program on this machine; a `Starter`."""
    try:
        process = subprocess.Popen(
            list(argv),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=dict(env),
            cwd=cwd,
            pass_fds=tuple(inherit),
            start_new_session=True,
        )
    except OSError as error:
        raise why_not_started(error, argv[0], cwd) from None
    return LocalChild(process)
