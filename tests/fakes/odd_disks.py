"""What a real keeper does on a disk that takes nothing more: scenarios to run in a mount namespace, one a process."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from edgekit.schema.control import Event
from tests.fakes.eventually import eventually
from tests.fakes.floods import urgent

MOUNTED = "on a disk of its own"
_MOUNT = 'mount -t tmpfs -o "$1" tmpfs "$0" && shift && exec "$@"'


def in_a_disk(folder: Path, options: str, *argv: str) -> list[str]:
    """A command for which a tmpfs with these options lies on `folder`; nothing of it outlives the command."""
    unshare = ["unshare", "--user", "--map-root-user", "--mount", "--pid", "--fork", "--mount-proc", "--kill-child"]
    return [*unshare, "sh", "-c", _MOUNT, str(folder), options, *argv]


class Board:
    """A keeper whose /var is that disk; its /run lies elsewhere, as on a board."""

    def __init__(self, disk: Path) -> None:
        from tests.integration.test_keeper import Device, prepare

        prefix = Path(tempfile.mkdtemp(prefix="ek", dir="/tmp"))
        (prefix / "var").symlink_to(disk)
        self.device: Device = prepare(prefix)
        self.disk = disk

    @contextmanager
    def keeper(self) -> Iterator[None]:
        argv = [sys.executable, "-I", str(self.device.pyz), "run", "--prefix", str(self.device.prefix)]
        with subprocess.Popen(argv, stderr=subprocess.DEVNULL) as process:
            try:
                eventually(lambda: self.device.socket.exists() and self.device.keeper("connect").returncode == 0)
                yield
            finally:
                process.kill()
        self.device.socket.unlink(missing_ok=True)

    def fill(self, path: Path, size: int) -> None:
        """Write until nothing more goes."""
        number = 0
        while True:
            try:
                (path / f"filler{number}").write_bytes(bytes(size))
            except OSError as error:
                assert error.errno == errno.ENOSPC
                return
            number += 1

    def ask(self, verb: str) -> Event:
        return urgent(self.device.socket, verb, application="sorter")[0]


def _begin(board: Board) -> None:
    for version in ("1.0.0", "2.0.0"):
        event = board.device.deploy(board.device.release("healthy", version))
        assert event.kind == "done", event


def _goes_on(board: Board, refused: str) -> None:
    """What runs can be looked at, stopped, started and rolled back to what was; what needs room is refused in words."""
    eventually(lambda: board.device.application().healthy)
    for verb in ("status", "stop", "start"):
        event = board.ask(verb)
        assert event.kind == "done", (verb, event)
    event = board.device.deploy(board.device.release("healthy", "3.0.0"))
    assert (event.kind, event.exit_code) == ("error", 8), event
    assert refused in event.message and event.hint, event
    eventually(lambda: board.device.application().healthy)


def read_only(board: Board) -> None:
    """`errors=remount-ro`, as a dying card gives: after it a keeper starts, and again after a kill."""
    with board.keeper():
        _begin(board)
    subprocess.run(["mount", "-o", "remount,ro", str(board.disk)], check=True)
    for _ in range(2):
        with board.keeper():
            _goes_on(board, "the device's disk can only be read")


def full(board: Board) -> None:
    """Not a byte left."""
    with board.keeper():
        _begin(board)
    for size in (1 << 20, 1 << 12, 1):
        board.fill(board.disk, size)
    for _ in range(2):
        with board.keeper():
            _goes_on(board, "disk full")


def no_inodes(board: Board) -> None:
    """Room, and no further file."""
    with board.keeper():
        _begin(board)
        board.fill(board.disk, 0)
        _goes_on(board, "no inodes left")
    with board.keeper():
        _goes_on(board, "no inodes left")


SCENARIOS: dict[str, Callable[[Board], None]] = {"read_only": read_only, "full": full, "no_inodes": no_inodes}

if __name__ == "__main__":
    disk = Path(sys.argv[2])
    assert os.path.ismount(disk)
    print(MOUNTED)
    SCENARIOS[sys.argv[1]](Board(disk))
