"""What nobody foresaw at its place is told by what is wrong with the board, with a cure; the rest is a bug."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from edgekit.device.keeper.control.trouble import unexpected
from edgekit.device.keeper.filesystem import Filesystem
from edgekit.errors import EdgekitError, RolloutError


class NoInodes(Filesystem):
    def takes_files(self, path: Path) -> bool:
        return False


@pytest.mark.parametrize(
    ("error", "message", "hint"),
    [
        (OSError(errno.ENOSPC, "full"), "the device's disk is full", "free some space"),
        (OSError(errno.EROFS, "read-only", "/var/x"), "the device's disk can only be read: /var/x", "dmesg"),
        (OSError(errno.EIO, "failed"), "the device's disk fails", "replace the disk"),
        (OSError(errno.EMFILE, "too many"), "the device is short of descriptors, processes or memory", "try again"),
        (MemoryError("none"), "the device is short of descriptors, processes or memory: none", "try again"),
        (RuntimeError("can't start new thread"), "the device is short of descriptors", "try again"),
    ],
)
def test_a_boards_state_is_no_bug(error: Exception, message: str, hint: str) -> None:
    told = unexpected(error, Filesystem(), Path("/"))
    assert isinstance(told, RolloutError)
    assert told.message.startswith(message) and told.hint.startswith(hint)


def test_a_disk_without_inodes_is_told_as_such() -> None:
    told = unexpected(OSError(errno.ENOSPC, "full"), NoInodes(), Path("/"))
    assert "no inodes left" in told.message and "df -i" in told.hint


@pytest.mark.parametrize("error", [KeyError("x"), RuntimeError("other"), OSError(errno.EISDIR, "is a folder")])
def test_the_rest_is_a_bug(error: Exception) -> None:
    told = unexpected(error, Filesystem(), Path("/"))
    assert (type(told), told.exit_code) == (EdgekitError, 1) and repr(error) in told.message
