"""Checks a wheel's metadata against its content.

Source: PyPA, Binary distribution format; Recording installed projects.
"""

from __future__ import annotations

import base64
import csv
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from email.message import Message
from email.parser import HeaderParser
from typing import NamedTuple

from packaging.tags import Tag
from packaging.utils import canonicalize_name, canonicalize_version

from edgekit.host.wheel.check.faults import Faults

_UNSIGNED = ("RECORD", "RECORD.jws", "RECORD.p7s")
"""Files that RECORD cannot vouch for."""
_ALGORITHMS = ("sha256", "sha384", "sha512")
"""RECORD's digest must be sha256 or better."""


class Row(NamedTuple):
    """A line of RECORD."""

    algorithm: str
    digest: str
    size: str


class Measured(NamedTuple):
    """A file as it is."""

    digest: bytes
    """By the algorithm that its line of RECORD names."""
    size: int


def parse_record(texts: Mapping[str, bytes], faults: Faults) -> dict[str, Row]:
    """The lines of RECORD by path. Lines without a usable digest are reported and left out."""
    rows: dict[str, Row] = {}
    name = next((name for name in texts if name.endswith("/RECORD")), "")
    unsigned = _unsigned(name)
    try:
        for line in csv.reader(io.StringIO(texts.get(name, b"").decode(errors="replace"), newline="")):
            if not line or line[0] in unsigned:
                continue
            path, digest, size = line if len(line) == 3 else (line[0], "", "")
            row = Row(*digest.partition("=")[::2], size)
            if row.algorithm in _ALGORITHMS:
                rows[path] = row
            else:
                faults.add("record", f"has no sha256 in {name}", path)
                rows[path] = Row("sha256", "", size)
    except csv.Error as error:
        faults.add("record", f"is no list of files: {error}", name)
    return rows


@dataclass(frozen=True, slots=True, kw_only=True)
class DistInfo:
    """What the name of a wheel's file promises."""

    name: str
    version: str
    tags: frozenset[Tag]

    def check(
        self, texts: Mapping[str, bytes], rows: Mapping[str, Row], measured: Mapping[str, Measured], faults: Faults
    ) -> None:
        """Compare name, version and tags with what lies inside, and all files with RECORD."""
        folders = sorted({path.split("/")[0] for path in measured if path.split("/")[0].endswith(".dist-info")})
        if len(folders) != 1:
            names = " and ".join(folders) or "no folder that ends in .dist-info"
            faults.add("metadata", f"has {names}, and must have one")
            return
        folder = folders[0]
        missing = [name for name in ("METADATA", "WHEEL", "RECORD") if f"{folder}/{name}" not in texts]
        for name in missing:
            faults.add("metadata", f"has no {folder}/{name}")
        self._check_named(folder, *folder.removesuffix(".dist-info").partition("-")[::2], faults)
        if "METADATA" not in missing:
            headers = _headers(texts[f"{folder}/METADATA"])
            self._check_named(f"{folder}/METADATA", headers.get("Name", ""), headers.get("Version", ""), faults)
        if "WHEEL" not in missing:
            self._check_tags(f"{folder}/WHEEL", _headers(texts[f"{folder}/WHEEL"]), faults)
        if "RECORD" not in missing:
            _check_files(rows, measured, _unsigned(f"{folder}/RECORD"), faults)

    def _check_named(self, file: str, name: str, version: str, faults: Faults) -> None:
        same = canonicalize_name(str(name)) == canonicalize_name(self.name)
        if not same or canonicalize_version(str(version)) != canonicalize_version(self.version):
            faults.add("metadata", f"is of {name or 'nothing'} {version}".rstrip(), file)

    def _check_tags(self, file: str, headers: Message, faults: Faults) -> None:
        lines = sorted(str(line).strip() for line in headers.get_all("Tag", []))
        if {tag for line in lines for tag in _tags(line)} != set(self.tags):
            message = f"has other tags than the file's name: {', '.join(lines) or 'none'}"
            faults.add("tag", message, file, severity="warn")  # installers go by the name


def _unsigned(record: str) -> tuple[str, ...]:
    return tuple(f"{record.rpartition('/')[0]}/{name}" for name in _UNSIGNED)


def _headers(text: bytes) -> Message:
    return HeaderParser().parsestr(text.decode(errors="replace"))


def _tags(line: str) -> Iterator[Tag]:
    parts = line.split("-")
    if len(parts) == 3:
        for interpreter in parts[0].split("."):
            for abi in parts[1].split("."):
                for platform in parts[2].split("."):
                    yield Tag(interpreter, abi, platform)


def _check_files(
    rows: Mapping[str, Row], measured: Mapping[str, Measured], unsigned: tuple[str, ...], faults: Faults
) -> None:
    for path, row in rows.items():
        found = measured.get(path)
        if found is None:
            faults.add("record", "is in RECORD and not in the archive", path)
        elif row.size and row.size != str(found.size):
            faults.add("record", f"has {found.size} bytes, and {row.size} in RECORD", path)
        elif row.digest and row.digest != base64.urlsafe_b64encode(found.digest).rstrip(b"=").decode():
            faults.add("record", f"has another {row.algorithm} than in RECORD", path)
    for path in sorted(measured.keys() - rows.keys() - set(unsigned)):
        faults.add("record", "is in the archive and not in RECORD", path)
