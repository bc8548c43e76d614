"""The log of one run: what was shown, and what every program that took part wrote. The last few runs are kept."""

from __future__ import annotations

import contextlib
import logging
import os
import re
import shlex
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from edgekit.cli.clean import clean, without_secrets

SHOWN = "edgekit.cli"
"""What the user has seen already. All other loggers below `edgekit` add what a log is read for."""
KEPT = 10
"""Runs of one command that are kept."""
_ALL_BYTES = 64 << 20
"""What the logs of all commands may take together."""
_RUN_BYTES = 8 << 20
_HEAD_BYTES, _TAIL_BYTES = 64 << 10, 192 << 10
"""Of one longer entry: its beginning and its end. Compilers tell the first error first, and why they gave up last."""


class RunLog(logging.Handler):
    """Takes what is logged below `edgekit`. The file is made at the first entry: asking for help leaves none.

    Where it cannot be written (a read-only or full disk) the run goes on without.
    """

    def __init__(self, folder: Path, argv: Sequence[str], *, secrets: tuple[str, ...] = ()) -> None:
        """Say where logs lie and which command runs.

        Args:
            folder: for the logs of this user; made where it is missing.
            argv: the command line, without the program.
            secrets: values that must not be written down.
        """
        super().__init__(logging.DEBUG)
        self._folder = folder
        self._argv = argv
        self._secrets = secrets
        self._began = time.time()
        self._file: IO[str] | None = None
        self._left = _RUN_BYTES
        self._broken = False
        self.path = folder / f"{_verb(argv)}-{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}-{os.getpid()}.log"
        self.tells_more = False
        """Whether it holds more than what was shown."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one entry."""
        if self._broken:
            return
        try:
            if self._file is None:
                self._file = self._open()
            self._write(f"[{time.time() - self._began:8.2f}] {record.getMessage()}")
            self.tells_more = self.tells_more or record.name != SHOWN
        except OSError:
            self._broken = True

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            with contextlib.suppress(OSError):
                self._file.close()
        super().close()

    def _write(self, text: str) -> None:
        assert self._file is not None
        if self._left <= 0:
            return
        line = without_secrets(clean(_shortened(text)), self._secrets) + "\n"
        self._left -= len(line)
        self._file.write(line if self._left > 0 else "... this log is full\n")
        self._file.flush()

    def _open(self) -> IO[str]:
        from edgekit import __version__

        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        _make_room(self._folder, _verb(self._argv))
        fd = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        self._file = os.fdopen(fd, "w", encoding="utf-8")
        began = time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime(self._began))
        self._write(f"edgekit {shlex.join(self._argv)}\nedgekit {__version__}, {began}, process {os.getpid()}")
        return self._file


def _verb(argv: Sequence[str]) -> str:
    """The kind of a run: `build`, `board`."""
    word = next((word for word in argv if not word.startswith("-")), "edgekit")
    return word if re.fullmatch("[a-z-]{1,20}", word) else "edgekit"


def _shortened(text: str) -> str:
    if len(text) <= _HEAD_BYTES + _TAIL_BYTES:
        return text
    left_out = len(text) - _HEAD_BYTES - _TAIL_BYTES
    return f"{text[:_HEAD_BYTES]}\n... {left_out} characters left out ...\n{text[-_TAIL_BYTES:]}"


def _make_room(folder: Path, verb: str) -> None:
    """Remove the oldest logs of a command, and of all where they take too much."""
    found: list[tuple[float, int, Path]] = []
    for file in folder.glob("*.log"):
        with contextlib.suppress(FileNotFoundError):  # another run makes room too
            state = file.stat()
            found.append((state.st_mtime, state.st_size, file))
    same, total = 0, 0
    for _, size, file in sorted(found, reverse=True):
        of_this = re.fullmatch(rf"{verb}-\d{{8}}-\d{{6}}-\d+\.log", file.name) is not None
        same += of_this
        total += size
        if (of_this and same >= KEPT) or total > _ALL_BYTES:
            file.unlink(missing_ok=True)
