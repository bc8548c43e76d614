"""Has the kernel keep a folder within a size, where its disk has project quotas: made with them, and mounted with them.

A writer gets an error at the limit then, as on a full disk, and nobody else's room is taken. Whoever owns a file may
take it out of its project again, so folders are watched all the same: see `work_quota`.

Source: quotactl(2); linux/quota.h (if_dqblk), linux/fs.h (fsxattr, FS_IOC_FSSETXATTR); ext4(5), prjquota.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import struct
from contextlib import suppress
from pathlib import Path

from edgekit.device.keeper.process.work_folder import MAX_FILES, entries_in

_GET_ATTRIBUTES, _SET_ATTRIBUTES = 0x801C581F, 0x401C5820
_ATTRIBUTES = struct.Struct("=IIIII8x")
"""Flags, two sizes, the project, another size."""
_INHERITED = 0x200
"""What is made in the folder is of its project."""
_PROJECTS, _SET_LIMITS = 2, 0x800008
_LIMITS = struct.Struct("=8QI4x")
"""Of bytes in KiB: hard, soft, used; of files: hard, soft, used; two times; which of these are meant."""
_BYTES, _FILES = 1, 4
_QUOTACTL_FD = 443
_QUOTACTL = {"aarch64": 60, "x86_64": 179}


def keep_within(folder: Path, limit_bytes: int) -> bool:
    """Limit what lies in a worker's folder, and the number of its files, by the number of its owner as its project.

    Args:
        folder: the worker's own; a link is not followed.
        limit_bytes: of all of it on disk, now and later.

    Returns:
        Whether the kernel keeps it so: not where the disk has no project quotas, or this keeper may not set them.
    """
    try:
        fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        project = os.fstat(fd).st_uid
        if not project or not _has_quotas(os.fstat(fd).st_dev, Path("/proc/self/mountinfo").read_text()):
            return False
        if not _is_of(fd, project):
            _give_all(folder, project)
            _give(fd, project)
        return _limit(fd, project, limit_bytes)
    except OSError:
        return False
    finally:
        os.close(fd)


def _has_quotas(device: int, mounts: str) -> bool:
    """Whether a device is mounted so that limits of projects count. Source: proc_pid_mountinfo(5)."""
    number = f"{os.major(device)}:{os.minor(device)}"
    for line in mounts.splitlines():
        fields = line.split()
        if fields[2] == number and {"prjquota", "pquota"} & set(fields[-1].split(",")):
            return True
    return False


def _is_of(fd: int, project: int) -> bool:
    flags, _, _, found, _ = _attributes(fd)
    return found == project and bool(flags & _INHERITED)


def _attributes(fd: int) -> tuple[int, int, int, int, int]:
    flags, size, count, project, other = _ATTRIBUTES.unpack(fcntl.ioctl(fd, _GET_ATTRIBUTES, bytes(_ATTRIBUTES.size)))
    return flags, size, count, project, other


def _give(fd: int, project: int) -> None:
    """Put an open file or folder into a project."""
    flags, size, count, _, other = _attributes(fd)
    if stat.S_ISDIR(os.fstat(fd).st_mode):
        flags |= _INHERITED
    fcntl.ioctl(fd, _SET_ATTRIBUTES, _ATTRIBUTES.pack(flags, size, count, project, other))


def _give_all(folder: Path, project: int) -> None:
    """Put into a project what lies in a folder already, of a time before its disk had quotas, within bounds."""
    for entry in entries_in(folder):
        with suppress(OSError):  # gone meanwhile, a link, or nothing that has a project
            fd = os.open(entry.name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=entry.within)
            try:
                _give(fd, project)
            finally:
                os.close(fd)


def _limit(fd: int, project: int, limit_bytes: int) -> bool:
    try:
        import ctypes  # noqa: PLC0415  a board's Python may lack it
    except ImportError:
        return False
    call = ctypes.CDLL(None, use_errno=True).syscall
    limits = ctypes.create_string_buffer(
        _LIMITS.pack(limit_bytes >> 10, 0, 0, MAX_FILES, 0, 0, 0, 0, _BYTES | _FILES), _LIMITS.size
    )
    command = (_SET_LIMITS << 8) | _PROJECTS
    if call(_QUOTACTL_FD, fd, command, project, limits) == 0:
        return True
    if ctypes.get_errno() != errno.ENOSYS:
        return False
    number, device = _QUOTACTL.get(os.uname().machine), os.fstat(fd).st_dev  # before Linux 5.14
    at = f"/dev/block/{os.major(device)}:{os.minor(device)}".encode()
    return number is not None and call(number, command, at, project, limits) == 0
