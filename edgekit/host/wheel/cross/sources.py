"""Source packages: where they come from, and how they get here whole."""

from __future__ import annotations

import hashlib
import tarfile
import tempfile
import urllib.error
import urllib.request
import zipfile
from dataclasses import dataclass
from email.parser import HeaderParser
from pathlib import Path
from urllib.parse import unquote, urlparse

from packaging.utils import InvalidName, InvalidSdistFilename, canonicalize_name, parse_sdist_filename
from packaging.version import InvalidVersion, Version

from edgekit.errors import InputError, WheelError
from edgekit.host.progress import Progress
from edgekit.host.unpack import DAMAGED, unpack_member, unpack_zip
from edgekit.host.wheel.cross.folders import folder_digest
from edgekit.schema.units import format_bytes
from edgekit.trust import sha256_file

_MAX_ARCHIVE_BYTES = 2 << 30
_MAX_UNPACKED_BYTES = 16 << 30
_MAX_FILES = 500_000
_CHUNK_BYTES = 1 << 20
_TIMEOUT_S = 60.0


class NotThere(WheelError):
    """The server has no such file (any more)."""


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


def kept_file(sha256: str, filename: str, folder: Path) -> Path | None:
    """A file of an index that was fetched before and still is what it was; its code runs and is signed."""
    kept = folder / sha256 / filename
    return kept if kept.is_file() and sha256_file(kept) == sha256 else None


def fetch(url: str, sha256: str, folder: Path, progress: Progress, size: int = _MAX_ARCHIVE_BYTES) -> Path:
    """A file of an index, whole: from the cache, or fetched.

    Args:
        url: http, https or file.
        sha256: what it must have.
        folder: keeps files by their digest.
        progress: is told about the transfer.
        size: in bytes; no more than that is read.

    Raises:
        NotThere: the server has no such file.
        WheelError: it cannot be had, is not what was locked, or is too large.
    """
    filename = unquote(urlparse(url).path).rsplit("/", maxsplit=1)[-1]
    if there := kept_file(sha256, filename, folder):
        return there
    kept = folder / sha256 / filename
    kept.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=kept.parent, prefix=".part-", delete=False) as part:
        try:
            _receive(url, Path(part.name), sha256, progress, size)
            Path(part.name).replace(kept)
        finally:
            Path(part.name).unlink(missing_ok=True)
    return kept


def _receive(url: str, part: Path, sha256: str, progress: Progress, most: int) -> None:
    name = urlparse(url).path.rsplit("/", maxsplit=1)[-1]
    if urlparse(url).scheme not in ("http", "https", "file"):
        raise WheelError(f"{name} is at an address of an unknown kind: {url}", hint="use an index, or a file")
    digest, size = hashlib.sha256(), 0
    try:
        request = urllib.request.Request(url, headers={"User-Agent": "edgekit"})  # noqa: S310  scheme checked
        with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as answer, part.open("wb") as file:  # noqa: S310
            total = int(answer.headers.get("Content-Length") or 0)
            with progress.amount(f"fetching {name}", total) as advance:
                while block := answer.read(_CHUNK_BYTES):
                    size += len(block)
                    if size > most:
                        told = f"{name} is larger than {format_bytes(most)}, the most that it may have"
                        raise WheelError(told, hint="take another version, or distrust the server")
                    digest.update(block)
                    file.write(block)
                    advance(len(block))
    except urllib.error.HTTPError as error:
        kind = NotThere if error.code in (404, 410) else WheelError
        raise kind(f"{name} cannot be fetched: {error}", hint="check the network and try again") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        kind = NotThere if isinstance(reason, FileNotFoundError) else WheelError  # of a file: address
        raise kind(f"{name} cannot be fetched: {reason}", hint="check the network and try again") from None
    if digest.hexdigest() != sha256:
        raise WheelError(
            f"{name} is not what was locked: its SHA-256 is {digest.hexdigest()[:12]}..., locked is {sha256[:12]}...",
            hint="if the package was published anew, edgekit wheel lock RECIPE --target T; else distrust the index",
        )


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
        folder_name, folder_version = _told_by(path)
        return Source(name=folder_name, version=folder_version, sha256=folder_digest(path), filename="", url=url)
    try:
        name, version = parse_sdist_filename(path.name)
    except InvalidSdistFilename:
        raise InputError(f"{path} is no source package", hint="name a NAME-VERSION.tar.gz, or a folder") from None
    return Source(name=name, version=str(version), sha256=sha256_file(path), filename=path.name, url=url)


def _told_by(folder: Path) -> tuple[str, str]:
    """Name and version of an unpacked source package; else the folder's own name, and 0.

    Rules for packages go by them: who unpacks pycuda to change it still gets CUDA's headers.
    Source: PyPA, Source distribution format, PKG-INFO.
    """
    info = folder / "PKG-INFO"
    said = HeaderParser().parsestr(info.read_text(encoding="utf-8", errors="replace") if info.is_file() else "")
    try:
        return canonicalize_name(said.get("Name", ""), validate=True), str(Version(said.get("Version", "")))
    except (InvalidName, InvalidVersion):
        return canonicalize_name(folder.absolute().name), "0"
