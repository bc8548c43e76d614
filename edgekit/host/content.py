"""What a folder holds, as digests; a file is read again only when its stat has changed since the last time."""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from edgekit.host.snapshot import SETTLED_NS, stat_numbers, walk
from edgekit.schema.manifest import FileEntry
from edgekit.trust import sha256_file

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True, slots=True, kw_only=True)
class ContentItem:
    """One file, link or folder."""

    path: str
    """Relative to the folder, with slashes."""
    kind: Literal["file", "link", "folder", "other"]
    value: str
    """A file's SHA-256, a link's target, else empty."""
    bytes: int = 0
    """Of a file; 0 for all else."""
    executable: bool = False

    @property
    def line(self) -> str:
        """What of it counts. Owner, times and other permissions do not."""
        return f"{self.kind}\0{self.executable:d}\0{self.path}\0{self.value}\n"


@dataclass(frozen=True, kw_only=True)
class FolderContent:
    """Everything in a folder, sorted by path."""

    items: tuple[ContentItem, ...]

    @cached_property
    def digest(self) -> str:
        """SHA-256 over all names, contents, links and executable bits."""
        whole = hashlib.sha256()
        for item in self.items:
            whole.update(item.line.encode(errors="surrogateescape"))
        return whole.hexdigest()

    def dump(self) -> bytes:
        """As JSON: to say later what has changed."""
        return json.dumps([item.line for item in self.items]).encode()

    def first_change(self, dumped: bytes) -> str:
        """The first path that is not as it was when `dumped` was written; empty where that cannot be read."""
        try:
            lines = set(json.loads(dumped)) ^ {item.line for item in self.items}
            return min((line.split("\0")[2] for line in lines), default="")
        except (ValueError, TypeError, AttributeError, IndexError, RecursionError):
            return ""

    @property
    def files(self) -> tuple[FileEntry, ...]:
        """The files as a manifest lists them; links and folders are left out."""
        return tuple(
            FileEntry(path=item.path, sha256=item.value, bytes=item.bytes, executable=item.executable)
            for item in self.items
            if item.kind == "file"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Memo:
    """Digests of files and the stats they had then, so that an unchanged file need not be read again.

    It counts until the next boot: a power cut may leave a file with the right stat and other content.
    """

    files: Mapping[str, tuple[list[int], str]] = field(default_factory=dict)
    """By path: stat numbers and SHA-256."""

    @staticmethod
    def load(data: bytes, boot: str) -> Memo:
        """Read what `dump` wrote. Files that had changed just before it was written are left out.

        Args:
            data: damaged data give an empty memo.
            boot: which boot of the machine this is: see `boot_id`.
        """
        try:
            record = json.loads(data)
            settled = int(record["noted_ns"]) - SETTLED_NS
            files = {path: _noted(value) for path, value in record["files"].items()} if record["boot"] == boot else {}
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return Memo()
        return Memo(
            files={path: (numbers, sha256) for path, (numbers, sha256) in files.items() if numbers[-1] < settled}
        )

    def dump(self, now_ns: int, boot: str) -> bytes:
        """The memo as JSON.

        Args:
            now_ns: when the files were looked at, in nanoseconds since 1970.
            boot: as for `load`.
        """
        files = {path: [*numbers, sha256] for path, (numbers, sha256) in self.files.items()}
        return json.dumps({"noted_ns": now_ns, "boot": boot, "files": files}).encode()


def _noted(value: list[Any]) -> tuple[list[int], str]:
    *numbers, sha256 = value
    if not numbers or not all(isinstance(number, int) for number in numbers) or not isinstance(sha256, str):
        raise ValueError("no stat numbers and digest")
    return numbers, sha256


def boot_id(file: Path = _BOOT_ID) -> str:
    """Names this boot of the machine; empty where the kernel does not tell. Source: random(4)."""
    try:
        return file.read_text(encoding="ascii").strip()
    except OSError:
        return ""


def read_content(folder: Path, memo: Memo) -> tuple[FolderContent, Memo]:
    """List a folder, reading the files that the memo does not know as they are.

    Returns:
        The content, and a memo of exactly its files.

    Raises:
        OSError: something in it cannot be read.
    """
    items: list[ContentItem] = []
    seen: dict[str, tuple[list[int], str]] = {}
    for path, status in walk(folder):
        if not stat.S_ISREG(status.st_mode):
            items.append(_without_content(folder, path, status))
            continue
        now = stat_numbers(status)
        known = memo.files.get(path)
        sha256 = known[1] if known is not None and known[0] == now else sha256_file(folder / path)
        seen[path] = (now, sha256)
        executable = bool(status.st_mode & stat.S_IXUSR)
        items.append(ContentItem(path=path, kind="file", value=sha256, bytes=status.st_size, executable=executable))
    return FolderContent(items=tuple(sorted(items, key=lambda item: item.path))), Memo(files=seen)


def _without_content(folder: Path, path: str, status: os.stat_result) -> ContentItem:
    if stat.S_ISLNK(status.st_mode):
        return ContentItem(path=path, kind="link", value=os.readlink(folder / path))  # noqa: PTH115  Path drops "./"
    return ContentItem(path=path, kind="folder" if stat.S_ISDIR(status.st_mode) else "other", value="")
