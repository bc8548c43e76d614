"""Reads untrusted wheels: bounded in size, nothing written to disk. Source: PyPA, Binary distribution format."""

from __future__ import annotations

import copy
import hashlib
import os
import stat
import struct
import sys
import tempfile
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, BinaryIO, cast

from packaging.tags import Tag
from packaging.utils import InvalidWheelFilename, parse_wheel_filename

from edgekit.host.wheel.check.dist_info import DistInfo, Measured, Row, parse_record
from edgekit.host.wheel.check.elf import MAGIC, ElfFacts, read_elf
from edgekit.host.wheel.check.faults import Fault, Faults
from edgekit.host.wheel.check.symbols import Damaged
from edgekit.schema.manifest import is_safe_path
from edgekit.schema.units import format_bytes

_MAX_ENTRIES = 200_000
_MAX_BYTES = 8 << 30
_MAX_TEXT_BYTES = 64 << 20
"""Of METADATA, WHEEL and RECORD; a RECORD of the most entries is smaller."""
_BOMB_BYTES = 50 << 20
_BOMB_RATIO = 500
"""Deflate ends at 1032; what people put into wheels stays far below. Source: zlib, Technical Details."""
_CHUNK_BYTES = 1 << 20
_IN_MEMORY_BYTES = 256 << 20
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
"""Of the others zipfile unpacks a whole chunk, however large that gets. Installers know no others for certain."""
_NOT_A_ZIP = (
    *(zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, ValueError, OSError, zlib.error, struct.error),
)
_DISTRUST = "do not install it"


@dataclass(frozen=True, slots=True, kw_only=True)
class WheelFile:
    """What was read of a wheel."""

    package: str
    """Name and version, as its file name says them."""
    tags: frozenset[Tag]
    names: frozenset[str]
    """All paths in it."""
    elf: Mapping[str, ElfFacts | Damaged]
    faults: tuple[Fault, ...]
    """What is wrong with the archive itself."""


class _Bomb(Exception):
    """A file unpacks to more bytes than the archive announces."""


def read_wheel(path: Path) -> WheelFile:
    """Read a wheel whole. Faults are values; only a file that cannot be opened raises OSError."""
    with path.open("rb") as file:
        try:
            name, version, _, tags = parse_wheel_filename(path.name)
        except InvalidWheelFilename as error:
            faults = Faults(path.name)
            hint = "name it NAME-VERSION-PYTHON-ABI-PLATFORM.whl"
            faults.add("not-a-wheel", f"has no wheel's name: {error}", hint=hint)
            return WheelFile(package=path.name, tags=frozenset(), names=frozenset(), elf={}, faults=faults.found)
        reading = _Reading(Faults(f"{name} {version}"), DistInfo(name=name, version=str(version), tags=tags))
        reading.read(file)
    return WheelFile(
        package=reading.faults.package,
        tags=tags,
        names=frozenset(reading.measured),
        elf=reading.elf,
        faults=reading.faults.found,
    )


class _Reading:
    """One wheel, while it is read."""

    def __init__(self, faults: Faults, expected: DistInfo) -> None:
        self.faults = faults
        self.expected = expected
        self.measured: dict[str, Measured] = {}
        self.elf: dict[str, ElfFacts | Damaged] = {}
        self._file = ""

    def read(self, file: BinaryIO) -> None:
        """Read everything, or up to what makes the rest unreadable or dangerous."""
        try:
            with zipfile.ZipFile(file) as archive:
                if self._is_safe(archive.infolist(), os.fstat(file.fileno()).st_size):
                    self._read_entries(archive)
        except _Bomb:
            self.faults.add("bomb", "unpacks to more than it announces", self._file, _DISTRUST)
        except _NOT_A_ZIP as error:
            message = str(error) or type(error).__name__
            self.faults.add("not-a-wheel", f"is no whole zip archive: {message}", self._file)

    def _is_safe(self, entries: list[zipfile.ZipInfo], archive_bytes: int) -> bool:
        """Check the archive's directory before anything is unpacked."""
        total, packed = sum(entry.file_size for entry in entries), sum(entry.compress_size for entry in entries)
        names: set[str] = set()
        for entry in entries:
            self._check_entry(entry)
            if entry.filename in names:
                self.faults.add("record", "is in the archive twice", entry.filename)
            names.add(entry.filename)
        if any(fault.code == "bomb" for fault in self.faults.found):
            return False
        if len(entries) > _MAX_ENTRIES or total > _MAX_BYTES or _is_bomb(total, archive_bytes):
            message = f"unpacks from {format_bytes(archive_bytes)} to {len(entries)} files of {format_bytes(total)}"
            self.faults.add("bomb", message, hint=_DISTRUST)
        elif packed > archive_bytes:
            self.faults.add("bomb", "has files that share their contents", hint=_DISTRUST)
        return not self.faults.found

    def _check_entry(self, entry: zipfile.ZipInfo) -> None:
        # zipfile cuts a name at NUL; other programs need not.
        name = entry.orig_filename.removesuffix("/")
        if _is_bomb(entry.file_size, entry.compress_size):
            message = f"unpacks from {format_bytes(entry.compress_size)} to {format_bytes(entry.file_size)}"
            self.faults.add("bomb", message, entry.filename, _DISTRUST)
        if not is_safe_path(name) or ":" in name.split("/")[0]:
            self.faults.add("path-escape", "would be written outside of its folder", entry.filename, _DISTRUST)
        elif stat.S_ISLNK(entry.external_attr >> 16):
            self.faults.add("path-escape", "is a link", entry.filename, "wheels have no links: make it a file")
        if entry.compress_type not in _METHODS:
            hint = "pack it anew: wheels are stored or deflated"
            self.faults.add("not-a-wheel", f"is packed by method {entry.compress_type}", entry.filename, hint)

    def _read_entries(self, archive: zipfile.ZipFile) -> None:
        entries = [entry for entry in archive.infolist() if not entry.filename.endswith("/")]
        texts = self._texts(archive, entries)
        rows = parse_record(texts, self.faults)
        for entry in entries:
            self._file = entry.filename
            self.measured[entry.filename] = self._measure(archive, entry, rows.get(entry.filename))
        self._file = ""
        self.expected.check(texts, rows, self.measured, self.faults)

    def _texts(self, archive: zipfile.ZipFile, entries: list[zipfile.ZipInfo]) -> dict[str, bytes]:
        """The package's metadata files, by path."""
        texts: dict[str, bytes] = {}
        for entry in entries:
            folder, _, name = entry.filename.partition("/")
            if folder.endswith(".dist-info") and name in ("METADATA", "WHEEL", "RECORD"):
                self._file = entry.filename
                if entry.file_size > _MAX_TEXT_BYTES:
                    raise _Bomb
                texts[entry.filename] = b"".join(_unpack(archive, entry))
        return texts

    def _measure(self, archive: zipfile.ZipFile, entry: zipfile.ZipInfo, row: Row | None) -> Measured:
        """Read a file: size and digest, and if it is one, its ELF facts."""
        digest = hashlib.new(row.algorithm if row else "sha256")
        size, whole = 0, None
        with tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY_BYTES) as content:
            for chunk in _unpack(archive, entry):
                digest.update(chunk)
                if size == 0 and chunk.startswith(MAGIC):
                    whole = content
                if whole is not None:
                    whole.write(chunk)
                size += len(chunk)
            if whole is not None:
                self.elf[entry.filename] = _elf(whole)
        return Measured(digest.digest(), size)


def _is_bomb(size: int, packed: int) -> bool:
    return size > _BOMB_BYTES and size > _BOMB_RATIO * packed


def _unpack(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> Iterator[bytes]:
    """A file's content. zipfile would cut what is longer than announced; other programs would write it all."""
    patient = copy.copy(entry)
    patient.file_size = sys.maxsize
    left = entry.file_size
    with archive.open(patient) as opened:
        while chunk := opened.read(_CHUNK_BYTES):
            left -= len(chunk)
            if left < 0:
                raise _Bomb
            yield chunk


def _elf(content: IO[bytes]) -> ElfFacts | Damaged:
    try:
        return read_elf(cast("BinaryIO", content))
    except Damaged as error:
        return error
