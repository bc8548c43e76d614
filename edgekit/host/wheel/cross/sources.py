"""Identifies source packages and unpacks them."""

from __future__ import annotations

import tarfile
import zipfile
from dataclasses import dataclass
from email.parser import HeaderParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

from packaging.utils import InvalidName, InvalidSdistFilename, canonicalize_name, parse_sdist_filename
from packaging.version import InvalidVersion, Version

from edgekit.errors import InputError, WheelError
from edgekit.host.unpack import DAMAGED, unpack_member, unpack_zip
from edgekit.host.wheel.cross.folders import folder_digest
from edgekit.schema.units import format_bytes
from edgekit.trust import sha256_file

_MAX_UNPACKED_BYTES = 16 << 30
_MAX_FILES = 500_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One source package, exactly."""

    name: str
    version: str
    sha256: str
    filename: str
    url: str = ""
    """Where it can be had; empty while nobody has asked."""

    def __str__(self) -> str:
        """For messages: `lap 0.5.13`."""
        return f"{self.name} {self.version}"


def unpack_source(archive: Path, folder: Path) -> Path:
    """Unpack a source package; nothing of it leaves the folder.

    Returns:
        The folder with the sources.

    Raises:
        WheelError: it is no archive, is damaged, reaches outside, or is too large.
    """
    folder.mkdir(parents=True)
    try:
        if zipfile.is_zipfile(archive):
            _unpack_zip(archive, folder)
        else:
            _unpack_tar(archive, folder)
    except DAMAGED as error:
        raise WheelError(f"{archive.name} cannot be unpacked: {error}", hint="take another version") from None
    inside = [path for path in folder.iterdir() if path.is_dir()]
    if len(inside) != 1:
        raise WheelError(f"{archive.name} is no source package: it has {len(inside)} folders", hint="pip sdists have 1")
    return inside[0]


def _unpack_tar(archive: Path, folder: Path) -> None:
    size = 0
    with tarfile.open(archive) as tar:
        for count, member in enumerate(tar):
            size += member.size
            if size > _MAX_UNPACKED_BYTES or count > _MAX_FILES:
                raise ValueError(f"more than {format_bytes(_MAX_UNPACKED_BYTES)} or {_MAX_FILES} files")
            unpack_member(tar, member, folder)


def _unpack_zip(archive: Path, folder: Path) -> None:
    with zipfile.ZipFile(archive) as found:
        entries = found.infolist()
        if len(entries) > _MAX_FILES or sum(entry.file_size for entry in entries) > _MAX_UNPACKED_BYTES:
            raise ValueError(f"more than {format_bytes(_MAX_UNPACKED_BYTES)} or {_MAX_FILES} files")
        unpack_zip(found, folder)


def local_source(path: Path) -> Source:
    """A source package, or a folder of sources, of this machine.

    Raises:
        InputError: it is neither.
    """
    url = path.absolute().as_uri()
    if path.is_dir():
        if not any((path / name).is_file() for name in ("pyproject.toml", "setup.py")):
            raise InputError(f"{path} has no pyproject.toml and no setup.py", hint="name a folder of Python sources")
        folder_name, folder_version = _named_by(path)
        return Source(name=folder_name, version=folder_version, sha256=folder_digest(path), filename="", url=url)
    return source_at(url, sha256_file(path))


def source_at(url: str, sha256: str) -> Source:
    """A source package at an address. Raises InputError where the name is not that of a source package."""
    filename = unquote(urlsplit(url).path).rsplit("/", maxsplit=1)[-1]
    try:
        name, version = parse_sdist_filename(filename)
    except InvalidSdistFilename:
        raise InputError(f"{filename} is no source package", hint="name a NAME-VERSION.tar.gz, or a folder") from None
    return Source(name=name, version=str(version), sha256=sha256, filename=filename, url=url)


def _named_by(folder: Path) -> tuple[str, str]:
    """Name and version of an unpacked source package; else the folder's own name, and 0.

    Rules for packages go by them: who unpacks pycuda to change it still gets CUDA's headers.
    Source: PyPA, Source distribution format, PKG-INFO.
    """
    info = folder / "PKG-INFO"
    headers = HeaderParser().parsestr(info.read_text(encoding="utf-8", errors="replace") if info.is_file() else "")
    try:
        return canonicalize_name(headers.get("Name", ""), validate=True), str(Version(headers.get("Version", "")))
    except (InvalidName, InvalidVersion):
        return canonicalize_name(folder.absolute().name), "0"
