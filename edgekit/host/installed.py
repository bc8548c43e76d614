"""Compares installed packages with what their wheels recorded: an installer links or copies from a cache of its own.

That cache is shared with every environment of the user, so an edit in one of them may be in it; hashes of a lock count
only while an installer unpacks a wheel into it.
Source: PyPA, Recording installed projects, The RECORD file.
"""

from __future__ import annotations

import base64
import csv
import hashlib
import shutil
import sys
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from packaging.utils import canonicalize_name

from edgekit.errors import EdgekitError

INSTALLER_FILES = frozenset({".lock", "_virtualenv.py", "_virtualenv.pth"})
"""What uv itself puts beside packages."""
_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedFile:
    """A line of a RECORD."""

    package: str
    path: str
    sha256: str
    """As in the file; empty where the package recorded none."""


def recorded_files(site: Path) -> Iterator[RecordedFile]:
    """All files that installed packages recorded in a folder, but for the RECORDs and what lies outside."""
    for record in sorted(site.glob("*.dist-info/RECORD")):
        package = canonicalize_name(record.parent.name.split("-")[0])
        with record.open(encoding="utf-8", errors="replace", newline="") as rows:
            for row in csv.reader(rows):
                if row and row[0] != f"{record.parent.name}/RECORD" and ".." not in row[0].split("/"):
                    digest = row[1].removeprefix("sha256=") if len(row) > 1 and row[1].startswith("sha256=") else ""
                    yield RecordedFile(package=package, path=row[0], sha256=digest)


def check_installed(site: Path, error: type[EdgekitError], known: frozenset[str] = frozenset()) -> None:
    """Refuse a folder in which a file is not what any package recorded of it, is gone, or belongs to none.

    Args:
        site: as an installer left it, before anything else touches it.
        error: is raised, with what cures.
        known: files that are there without a package.
    """
    recorded: dict[str, list[RecordedFile]] = defaultdict(list)
    for file in recorded_files(site):
        recorded[file.path].append(file)
    for path, files in recorded.items():
        digests = {file.sha256 for file in files} - {""}
        if digests and _sha256(site / path) not in digests:
            message = f"{path} is not what {files[0].package} recorded: uv's cache was changed"
            raise error(message, hint=f"{_uv()} cache clean {files[0].package}, and run the same command again")
    found = (path.relative_to(site).as_posix() for path in site.rglob("*") if not path.is_dir())
    unowned = sorted({path for path in found if not path.endswith(".dist-info/RECORD")} - recorded.keys() - known)
    if unowned:
        raise error(
            f"{unowned[0]} belongs to no package: no RECORD names it",
            hint=f"{_uv()} cache clean, and run the same command again; or leave out the package that brings it",
        )


def _uv() -> str:
    """As the user can call it."""
    return "uv" if shutil.which("uv") else f"{sys.executable} -m uv"


def _sha256(file: Path) -> str:
    """A file's digest as RECORD writes it; empty for a file that is gone."""
    digest = hashlib.sha256()
    try:
        with file.open("rb") as opened:
            while block := opened.read(_CHUNK_BYTES):
                digest.update(block)
    except OSError:
        return ""
    return base64.urlsafe_b64encode(digest.digest()).rstrip(b"=").decode()
