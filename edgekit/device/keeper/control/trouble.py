"""What a client is told where something fails that nobody foresaw at its place: a disk, descriptors, memory."""

from __future__ import annotations

import errno
from pathlib import Path

from edgekit.device.keeper.filesystem import Filesystem, no_inodes
from edgekit.errors import EdgekitError, RolloutError

_FULL = (errno.ENOSPC, errno.EDQUOT)
_SHORT = (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN)
_RAN_OUT = "try again; edgekit status shows what runs, and edgekit stop DEVICE APPLICATION makes room"


def unexpected(error: Exception, disk: Filesystem, folder: Path) -> EdgekitError:
    """The error to tell a client.

    Args:
        error: what came up; what a board's state explains is no bug.
        disk: the way to the board's disk.
        folder: where the keeper keeps its files.
    """
    number = error.errno if isinstance(error, OSError) else None
    where = f": {error.filename}" if isinstance(error, OSError) and error.filename else ""
    if number in _FULL:
        if not disk.takes_files(folder):
            return no_inodes()
        hint = "free some space below /var/lib/edgekit and /tmp there, and deploy again"
        return RolloutError("the device's disk is full", hint=hint)
    if number == errno.EROFS:
        hint = "dmesg there says why: a file system with errors is checked at the next boot; then deploy again"
        return RolloutError(f"the device's disk can only be read{where}", hint=hint)
    if number == errno.EIO:
        hint = "replace the disk or card if it stays: dmesg there says more"
        return RolloutError(f"the device's disk fails{where}", hint=hint)
    if number in _SHORT or _is_shortage(error):
        return RolloutError(f"the device is short of descriptors, processes or memory: {error}", hint=_RAN_OUT)
    return EdgekitError(f"the keeper failed: {error!r}", hint="edgekit logs shows more")


def _is_shortage(error: Exception) -> bool:
    return isinstance(error, MemoryError) or (isinstance(error, RuntimeError) and "start new thread" in str(error))
