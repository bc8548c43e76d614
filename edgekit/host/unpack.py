"""Unpacks archives from elsewhere: nothing is written outside the folder, and nothing in it leads outside.

The rules are those of `tarfile.data_filter`, which Pythons before 3.10.12 and 3.11.4 lack, and whose early versions
names of more than PATH_MAX bytes get round. One way for every Python gives the same tree on each.
Source: PEP 706; CVE-2025-4517.
"""

from __future__ import annotations

import lzma
import os
import shutil
import stat
import tarfile
import zipfile
import zlib
from pathlib import Path

DAMAGED = (
    *(tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, OSError, ValueError),
    *(OverflowError, NotImplementedError, RuntimeError),
)
"""What reading or unpacking an archive may raise, and what is refused here (ValueError)."""
_PATH_MAX = 4096
"""Longer paths cannot be looked up, so nobody knows where they lead. Source: limits.h."""


def unpack_member(tar: tarfile.TarFile, member: tarfile.TarInfo, folder: Path) -> None:
    """Unpack one member of a tar archive. Owners, setuid bits and others' right to write are left out.

    Args:
        tar: what it is read from, also a stream.
        member: one member; a leading slash of its name does not count.
        folder: where it goes; it exists.

    Raises:
        ValueError: it would be outside the folder, leads outside, or is no file, folder or link.
        OSError: it cannot be written.
    """
    root = os.path.realpath(folder)
    name = member.name.lstrip("/")
    where = _inside(root, name, name)
    if member.isdir():
        Path(where).mkdir(parents=True, exist_ok=True)
        return
    if where == root:
        raise ValueError(f"{name} would take the folder's own place")
    path = Path(_inside(root, os.path.dirname(name), name), os.path.basename(name))  # noqa: PTH119, PTH120  Path drops "."
    path.parent.mkdir(parents=True, exist_ok=True)
    if member.issym():
        _check_link(member)
        link = os.path.normpath(member.linkname)  # a ".." behind a name would lead elsewhere once that is a link
        _inside(root, str(path.parent / link), name)
        path.unlink(missing_ok=True)
        path.symlink_to(link)
    elif member.islnk():
        _check_link(member)
        linked = _inside(root, member.linkname, name)
        if linked != str(path):
            path.unlink(missing_ok=True)
            os.link(linked, path)
    elif member.isreg():
        _write(tar, member, path)
    else:
        raise ValueError(f"{name} is no file, folder or link")


def unpack_zip(archive: zipfile.ZipFile, folder: Path) -> None:
    """Unpack a zip archive; files keep their right to be run.

    Raises:
        ValueError: a name leads outside, or is a link's.
    """
    root = os.path.realpath(folder)
    for entry in archive.infolist():
        mode = entry.external_attr >> 16
        if entry.filename.startswith("/") or stat.S_ISLNK(mode):
            raise ValueError(f"{entry.filename} is a link, or begins with a slash")
        path = Path(_inside(root, entry.filename, entry.filename))
        if entry.is_dir():
            path.mkdir(parents=True, exist_ok=True)
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        with archive.open(entry) as content, path.open("wb") as file:
            shutil.copyfileobj(content, file)
        path.chmod(_mode(mode))


def _inside(root: str, path: str, name: str) -> str:
    """Where a path below `root` is once links are followed."""
    real = os.path.realpath(os.path.join(root, path))  # noqa: PTH118  it may be absolute: then it is outside
    if len(os.fsencode(real)) >= _PATH_MAX:
        raise ValueError(f"{name[:80]}... is too long a path")
    if os.path.commonpath([real, root]) != root:
        raise ValueError(f"{name} leads outside")
    return real


def _check_link(member: tarfile.TarInfo) -> None:
    if not member.linkname or member.linkname.startswith("/"):
        raise ValueError(f"{member.name} is a link to {member.linkname or 'nothing'}")


def _write(tar: tarfile.TarFile, member: tarfile.TarInfo, path: Path) -> None:
    path.unlink(missing_ok=True)  # a link that is in the way is not written through
    content = tar.extractfile(member)
    assert content is not None, "a regular file has content"
    with path.open("xb") as file:
        shutil.copyfileobj(content, file)
        if file.tell() != member.size:
            raise EOFError(f"{member.name} is cut short")
    path.chmod(_mode(member.mode))
    os.utime(path, (member.mtime, member.mtime))  # make rebuilds what is older than its source


def _mode(mode: int) -> int:
    """Readable by all, writable by its owner, and run by whom its owner lets."""
    return 0o755 & mode | 0o600 if mode & 0o100 else 0o644 & mode | 0o600
