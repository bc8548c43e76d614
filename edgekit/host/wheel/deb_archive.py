"""Unpacks Debian packages without dpkg."""

from __future__ import annotations

import fnmatch
import os
import tarfile
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

from edgekit.errors import WheelError
from edgekit.host.unpack import DAMAGED, unpack_member

_MAX_UNPACKED_BYTES = 2 << 30
_AR_MAGIC = b"!<arch>\n"
_AR_HEADER_BYTES = 60


def unpack_deb(deb: Path, folder: Path, only: Sequence[str] = ()) -> None:
    """Unpack a package's files, or those that a pattern names; nothing leaves the folder, and links stay inside it.

    Source: deb(5). Absolute links would lead into this machine: a linker that finds one dangling takes a static
    library instead, without a word.

    Raises:
        WheelError: it is no package.
    """
    size = 0
    try:
        with deb.open("rb") as file:
            file.seek(_find_data(file))
            with tarfile.open(fileobj=file, mode="r|*") as tar:
                for member in tar:
                    size += member.size
                    if size > _MAX_UNPACKED_BYTES:
                        raise ValueError("too large")
                    name = os.path.normpath(member.name)
                    if not member.isdev() and (not only or any(fnmatch.fnmatchcase(name, glob) for glob in only)):
                        _extract(tar, member, folder)
    except DAMAGED as error:
        raise WheelError(f"{deb.name} cannot be unpacked: {error}", hint="remove it and try again") from None


def _find_data(file: BinaryIO) -> int:
    """Where `data.tar.*`, the archive's last member, begins. Source: ar(5)."""
    if file.read(len(_AR_MAGIC)) != _AR_MAGIC:
        raise ValueError("it is no Debian package")
    while len(header := file.read(_AR_HEADER_BYTES)) == _AR_HEADER_BYTES:
        if header.startswith(b"data.tar"):
            return file.tell()
        length = int(header[48:58])
        file.seek(length + length % 2, os.SEEK_CUR)
    raise ValueError("it has no files")


def _extract(tar: tarfile.TarFile, member: tarfile.TarInfo, folder: Path) -> None:
    if member.issym() and member.linkname.startswith("/"):
        here = Path(os.path.normpath(member.name)).parent
        member.linkname = os.path.relpath(member.linkname.lstrip("/"), here)
    unpack_member(tar, member, folder)
