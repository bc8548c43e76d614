"""Folders of sources on this machine: which of their files count, their digest, and a copy to build in.

One list is hashed and copied, so that a wheel's key covers every byte, link and mode that its build can see. Times of
files are copied and do not count: a new checkout of the same files is the same source.
"""

from __future__ import annotations

import hashlib
import shutil
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

from edgekit.errors import InputError
from edgekit.schema.units import format_bytes
from edgekit.trust import sha256_file

_NOT_SOURCES = (".git", "__pycache__", "*.egg-info", ".venv", "*.cpython-3*.so", "*.abi3.so", ".mypy_cache")
"""What version control and earlier builds leave in a folder of sources. Libraries that a package ships stay."""
_NOT_AT_THE_TOP = ("build",)
"""The folder of builds; a package may be called build, so it counts further down."""
_MAX_BYTES = 16 << 30
_MAX_FILES = 500_000


@dataclass(frozen=True, slots=True, kw_only=True)
class _File:
    """A file of a folder of sources."""

    path: Path
    relative: str
    dangling: bool
    """A link to nothing. It is copied as it is: most builds never look at it."""

    @property
    def line(self) -> str:
        """The part of the digest: name, mode, content."""
        if self.dangling:
            return f"{self.relative} -> {self.path.readlink()}\n"
        return f"{self.relative} {_mode(self.path):o} {sha256_file(self.path)}\n"


def folder_digest(folder: Path) -> str:
    """Digest of a folder of sources: covers everything that `copy_folder` copies.

    Raises:
        InputError: a file cannot be read, is no regular file, or there is no end of them.
    """
    digest = hashlib.sha256()
    try:
        for file in _files(folder):
            digest.update(file.line.encode(errors="surrogateescape"))
    except OSError as error:
        raise _unreadable(folder, error) from None
    return digest.hexdigest()


def copy_folder(source: Path, folder: Path) -> Path:
    """A copy of a folder of sources; links are followed, so that it needs nothing outside itself.

    Raises:
        InputError: as `folder_digest`.
    """
    copy = folder / source.absolute().name
    copy.mkdir(parents=True)
    try:
        for file in _files(source):
            made = copy / file.relative
            made.parent.mkdir(parents=True, exist_ok=True)
            if file.dangling:
                made.symlink_to(file.path.readlink())
            else:
                shutil.copyfile(file.path, made)
                shutil.copystat(file.path, made)
                made.chmod(_mode(file.path))
    except OSError as error:
        raise _unreadable(source, error) from None
    return copy


def _files(folder: Path) -> Iterator[_File]:
    """The files that count, in one order on every machine. Raises OSError where a folder cannot be read."""
    size = 0
    for count, file in enumerate(_below(folder, "", (folder.resolve(),))):
        if not file.dangling:
            size += file.path.stat().st_size
        if count >= _MAX_FILES or size > _MAX_BYTES:
            raise InputError(
                f"{folder} has more than {_MAX_FILES} files or {format_bytes(_MAX_BYTES)}, links followed",
                hint="name the folder of one package, and look where its links lead",
            )
        yield file


def _below(folder: Path, prefix: str, above: tuple[Path, ...]) -> Iterator[_File]:
    left_out = _NOT_SOURCES if prefix else (*_NOT_SOURCES, *_NOT_AT_THE_TOP)
    for path in sorted(folder.iterdir()):
        if any(fnmatch(path.name, pattern) for pattern in left_out):
            continue
        relative = f"{prefix}{path.name}"
        if path.is_dir():
            real = path.resolve()
            if real in above:
                raise InputError(f"{path} links to a folder that it lies in", hint="remove that link")
            yield from _below(path, f"{relative}/", (*above, real))
        elif path.is_file():
            yield _File(path=path, relative=relative, dangling=False)
        elif path.is_symlink() and not path.exists():
            yield _File(path=path, relative=relative, dangling=True)
        else:
            raise InputError(f"{path} is neither a file nor a folder", hint="take it out of the sources")


def _mode(file: Path) -> int:
    """755 for an executable, else 644: other bits differ between checkouts."""
    return 0o755 if file.stat().st_mode & stat.S_IXUSR else 0o644


def _unreadable(folder: Path, error: OSError) -> InputError:
    name = error.filename or folder
    return InputError(f"{name} cannot be read: {error.strerror}", hint=f"ls -l {name}")
