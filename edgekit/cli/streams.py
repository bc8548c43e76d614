"""Makes the standard streams behave whatever they are: closed, full, of another encoding, or a pipe nobody reads."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from typing import Any

STDOUT = "standard output"


class NobodyReads(Exception):
    """The program that read standard output has ended. No `OSError`: typer would end the process at one."""


class _Stdout(io.TextIOWrapper):
    """Standard output that names itself when it cannot be written: the operating system does not say which file."""

    def write(self, text: str) -> int:
        with _named():
            return super().write(text)

    def flush(self) -> None:
        with _named():
            super().flush()


class _Stderr(io.TextIOWrapper):
    """Standard error for notes: work goes on where nobody can read them any more."""

    def write(self, text: str) -> int:
        with contextlib.suppress(OSError):
            return super().write(text)
        return len(text)

    def flush(self) -> None:
        with contextlib.suppress(OSError):
            super().flush()


@contextlib.contextmanager
def _named() -> Any:
    try:
        yield
    except BrokenPipeError:
        raise NobodyReads from None
    except OSError as error:
        error.filename = STDOUT
        raise


def prepare_streams() -> None:
    """Replace the standard streams of this process. Characters that their encoding lacks are shown as escapes."""
    for fd in (0, 1, 2):  # a closed one would be given to the next file that is opened
        try:
            os.fstat(fd)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    sys.stdout = _replaced(sys.stdout, 1, _Stdout)
    sys.stderr = _replaced(sys.stderr, 2, _Stderr)


def discard_stdout() -> None:
    """Let what is still buffered go nowhere: nobody reads it, and Python would complain about it at the end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def settle_stdout() -> None:
    """Write what is buffered, or let it go: Python 3.14 would try again at its end, complain, and exit with 120."""
    try:
        sys.stdout.flush()
    except (OSError, NobodyReads):
        discard_stdout()


def _replaced(stream: io.TextIOWrapper | Any, fd: int, kind: type[io.TextIOWrapper]) -> io.TextIOWrapper:
    """Python has None for a stream that was closed."""
    encoding = stream.encoding if stream else "utf-8"
    binary = stream.detach() if stream else open(fd, "wb", closefd=False)  # noqa: SIM115
    return kind(binary, encoding=encoding, errors="backslashreplace", line_buffering=fd == 2 or os.isatty(fd))
