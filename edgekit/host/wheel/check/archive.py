"""Reads wheels that nobody vouches for: bounded, and never onto the disk. Source: PyPA, Binary distribution format."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import stat
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from email.message import Message
from email.parser import HeaderParser
from pathlib import Path

from packaging.tags import Tag
from packaging.utils import InvalidWheelFilename, canonicalize_name, canonicalize_version, parse_wheel_filename

from edgekit.host.wheel.check.elf import MAGIC, Damaged, ElfFacts, read_elf
from edgekit.host.wheel.check.faults import Fault, FaultCode
from edgekit.schema.manifest import is_safe_path
from edgekit.schema.units import format_bytes

_MAX_ENTRIES = 200_000
_MAX_BYTES = 8 << 30
_BOMB_BYTES = 50 << 20
_BOMB_RATIO = 500
"""Deflate ends at 1032; what people put into wheels stays far below. Source: zlib, Technical Details."""
_UNSIGNED = ("RECORD", "RECORD.jws", "RECORD.p7s")
_NEW = "get it again; if it was made so, tell those who made it"


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


@dataclass(slots=True)
class _Reading:
    package: str
    faults: list[Fault] = field(default_factory=list)
    digests: dict[str, tuple[str, int]] = field(default_factory=dict)
    texts: dict[str, bytes] = field(default_factory=dict)
    elf: dict[str, ElfFacts | Damaged] = field(default_factory=dict)

    def fault(self, code: FaultCode, message: str, file: str = "", hint: str = _NEW) -> None:
        self.faults.append(Fault(package=self.package, file=file, code=code, message=message, hint=hint))


def read_wheel(path: Path) -> WheelFile:
    """Read a wheel whole. Faults are values; only a file that cannot be opened raises OSError."""
    reading = _Reading(package=path.name)
    tags: frozenset[Tag] = frozenset()
    try:
        name, version, _, tags = parse_wheel_filename(path.name)
        reading.package = f"{name} {version}"
        with zipfile.ZipFile(path) as archive:
            if _is_safe(archive.infolist(), reading):
                _read_entries(archive, reading)
                _check_metadata(reading, name, str(version), tags)
                _check_record(reading)
    except InvalidWheelFilename as error:
        reading.fault(
            "not-a-wheel", f"has no wheel's name: {error}", hint="name it NAME-VERSION-PYTHON-ABI-PLATFORM.whl"
        )
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, ValueError) as error:
        reading.fault("not-a-wheel", f"is no whole zip archive: {error}")
    return WheelFile(
        package=reading.package,
        tags=tags,
        names=frozenset(reading.digests),
        elf=reading.elf,
        faults=tuple(reading.faults),
    )


def _is_safe(entries: list[zipfile.ZipInfo], reading: _Reading) -> bool:
    """Look at the directory before anything is unpacked."""
    total = sum(entry.file_size for entry in entries)
    if len(entries) > _MAX_ENTRIES or total > _MAX_BYTES:
        told = f"{len(entries)} files of {format_bytes(total)}"
        reading.fault("bomb", f"unpacks to {told}", hint="do not install it")
    for entry in entries:
        size, packed = entry.file_size, max(1, entry.compress_size)
        if size > _BOMB_BYTES and size / packed > _BOMB_RATIO:
            told = f"unpacks from {format_bytes(packed)} to {format_bytes(size)}"
            reading.fault("bomb", told, entry.filename, "do not install it")
        name = entry.filename.rstrip("/") if entry.is_dir() else entry.filename
        if not is_safe_path(name) or ":" in name.split("/")[0]:
            reading.fault("path-escape", "would be written outside of its folder", entry.filename, "do not install it")
        elif stat.S_ISLNK(entry.external_attr >> 16):
            reading.fault("path-escape", "is a link", entry.filename, "wheels have no links: make it a file")
    return not reading.faults


def _read_entries(archive: zipfile.ZipFile, reading: _Reading) -> None:
    for entry in archive.infolist():
        if entry.is_dir():
            continue
        content = archive.read(entry)  # at most file_size bytes, which were summed up before
        if entry.filename in reading.digests:
            reading.fault("record", "is in the archive twice", entry.filename)
        digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
        reading.digests[entry.filename] = (digest, len(content))
        if content.startswith(MAGIC):
            try:
                reading.elf[entry.filename] = read_elf(content)
            except Damaged as error:
                reading.elf[entry.filename] = error
        if ".dist-info/" in entry.filename:
            reading.texts[entry.filename] = content


def _check_metadata(reading: _Reading, name: str, version: str, tags: frozenset[Tag]) -> None:
    folders = {path.split("/")[0] for path in reading.texts if path.split("/")[0].endswith(".dist-info")}
    if len(folders) != 1:
        reading.fault("metadata", f"has {len(folders)} dist-info folders, and not one")
        return
    folder = folders.pop()
    missing = [part for part in ("WHEEL", "METADATA", "RECORD") if f"{folder}/{part}" not in reading.texts]
    for part in missing:
        reading.fault("metadata", f"has no {folder}/{part}")
    if "METADATA" not in missing:
        said = _headers(reading.texts[f"{folder}/METADATA"])
        found = (canonicalize_name(said.get("Name", "")), canonicalize_version(said.get("Version", "")))
        if found != (canonicalize_name(name), canonicalize_version(version)):
            reading.fault("metadata", f"says that it is {found[0]} {found[1]}", f"{folder}/METADATA")
    if "WHEEL" not in missing:
        lines = _headers(reading.texts[f"{folder}/WHEEL"]).get_all("Tag", [])
        inside = {tag for line in lines for tag in _tags(str(line))}
        if inside != set(tags):
            told = ", ".join(sorted(map(str, lines))) or "none"
            reading.fault("tag", f"has other tags than its file name: {told}", f"{folder}/WHEEL")


def _headers(text: bytes) -> Message:
    return HeaderParser().parsestr(text.decode(errors="replace"))


def _tags(line: str) -> Iterator[Tag]:
    parts = line.strip().split("-")
    if len(parts) == 3:
        for interpreter in parts[0].split("."):
            for abi in parts[1].split("."):
                for platform in parts[2].split("."):
                    yield Tag(interpreter, abi, platform)


def _check_record(reading: _Reading) -> None:
    record = next((path for path in reading.texts if path.endswith(".dist-info/RECORD")), "")
    if not record:
        return
    folder = record.rpartition("/")[0]
    unlisted = {path for path in reading.digests if path not in {f"{folder}/{name}" for name in _UNSIGNED}}
    for row in csv.reader(io.StringIO(reading.texts[record].decode(errors="replace"))):
        if len(row) != 3 or row[0] in {f"{folder}/{name}" for name in _UNSIGNED}:
            continue
        path, digest, size = row
        unlisted.discard(path)
        if path not in reading.digests:
            reading.fault("record", "is in RECORD and not in the archive", path)
            continue
        found = reading.digests[path]
        if digest != f"sha256={found[0]}" or (size and size != str(found[1])):
            if digest.startswith(("sha384=", "sha512=")):
                continue
            reading.fault("record", "is not what RECORD says", path)
    for path in sorted(unlisted):
        reading.fault("record", "is not in RECORD", path)
