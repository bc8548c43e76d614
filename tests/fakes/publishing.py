"""Runs `publisher.py`: a process with one sink, which does what it is told, and can be killed."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.eventually import PATIENCE_S, eventually

_MOUNT = 'mount -t tmpfs -o size=1m tmpfs "$0" && exec "$@"'
SMALL_DISK = ("unshare", "--user", "--map-root-user", "--mount", "sh", "-c", _MOUNT)
"""Before a folder and a command: the folder is a disk of 1 MiB then."""


def skip_without_small_disks(folder: Path) -> None:
    try:
        subprocess.run([*SMALL_DISK, str(folder), "true"], check=True, capture_output=True, timeout=PATIENCE_S)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("this machine lets nobody make a mount namespace")


def stored(outbox: Path) -> int:
    """How many messages lie in an outbox."""
    with suppress(sqlite3.OperationalError), sqlite3.connect(outbox, timeout=5) as opened:
        return int(opened.execute("SELECT count(*) FROM messages").fetchone()[0])
    return 0  # it is being made


class Publishing:
    """The process."""

    def __init__(self, folder: Path, options: Mapping[str, object], *wrapper: str) -> None:
        folder.mkdir(exist_ok=True)
        self.log = folder.with_name(f"{folder.name}.log")
        argv = [*wrapper, sys.executable, "-m", "tests.fakes.publisher", str(folder), json.dumps(options)]
        pipes: Any = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(argv, stderr=log, **pipes)

    def do(self, command: str) -> dict[str, Any]:
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write(f"{command}\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        assert answer, self.log.read_text()
        figures: dict[str, Any] = json.loads(answer)
        return figures

    def until(self, **wanted: object) -> None:
        """Wait for figures."""
        last: dict[str, Any] = {}
        with suppress(AssertionError):
            eventually(lambda: last.update(self.do("look")) or wanted.items() <= last.items())
        assert wanted.items() <= last.items(), (last, self.told())

    def told(self) -> list[str]:
        """What the journal was told."""
        return self.log.read_text().splitlines()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(PATIENCE_S)
