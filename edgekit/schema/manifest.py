"""`manifest.json`: what a release consists of. The release's digest is the SHA-256 of this file's bytes.

A release on the host is a folder: `manifest.json`, `manifest.json.sig` (OpenSSH's format, namespace
`edgekit-release`), and `files/`, which holds every listed file under its path. On the device the listed files lie
directly in `releases/<digest>/`, beside manifest and signature, and how it was made (`schema.provenance`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from edgekit.errors import TrustError
from edgekit.schema.accelerators import AcceleratorUse
from edgekit.schema.message import Message
from edgekit.schema.target import AcceleratorKind

FORMAT = 1
SIGNATURE_NAMESPACE = "edgekit-release"
MAX_MANIFEST_BYTES = 8 << 20
"""Some 45,000 files: a board that follows it has to hold it."""
MAX_SIGNATURE_BYTES = 64 << 10
MAX_FILES = 100_000
MAX_PATH_BYTES = 1024
MAX_NAME_BYTES = 255
"""Of one part of a path. Source: Linux, limits.h, NAME_MAX."""
MAX_FILE_BYTES = 1 << 40
RESERVED = frozenset({"manifest.json", "manifest.json.sig", "provenance.json", "provenance.json.sig"})
_SHA256 = re.compile("[0-9a-f]{64}")
_INTERPRETER = re.compile(r"((/[\w.+-]+)+/python[0-9.]*)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class FileEntry:
    """One file of a release."""

    path: str
    """Relative, `/`-separated, normalised, no `..`: checked by `check_manifest` on both sides."""
    sha256: str
    bytes: int
    executable: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class WheelEntry:
    """A Python package inside `site/`."""

    name: str
    version: str
    filename: str
    sha256: str
    source: str
    """`downloaded`, `cross-built` or `edgekit`."""
    source_sha256: str = ""
    """Of the source package that it was built from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineEntry:
    """An engine, and what can be known of it without running it."""

    name: str
    runner: AcceleratorKind
    path: str
    model_sha256: str
    """SHA-256 of the ONNX model that it was made from, as it was prepared, with the weights that lay beside it."""
    facts: dict[str, str]
    """Backend's facts: format, versions, opset, inputs, outputs."""
    tail: str = ""
    """ONNX file that the CPU runs behind it; empty: none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Requires:
    """What a device must have to run this release; joined with its facts before a byte moves."""

    arch: str
    libc_version: str
    python: str
    python_path: str = ""
    """The interpreter there that runs the worker; empty: the first python3."""
    cpus: tuple[int, ...]
    memory_bytes: int
    disk_bytes: int
    cgroup_controllers: tuple[str, ...]
    """Empty where limits are advisory."""
    accelerators: AcceleratorUse = AcceleratorUse()


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest(Message):
    """A release, whole."""

    format: int
    application: str
    version: str
    target: str
    edgekit: str
    """Version of edgekit that assembled it."""
    requires: Requires
    files: tuple[FileEntry, ...]
    """Sorted by path."""
    wheels: tuple[WheelEntry, ...]
    engines: tuple[EngineEntry, ...]


def check_manifest(manifest: Manifest) -> None:
    """Refuse a manifest that this edgekit cannot hold or that points outside its folder.

    Raises:
        TrustError: unknown format, too many files, a path that leaves the folder, comes twice, is also a folder or
            takes the manifest's own name; a digest or size that is none.
    """
    wrong = _first_fault(manifest)
    if wrong:
        raise TrustError(f"the manifest is refused: {wrong}", hint="build the release again with this edgekit")


def _first_fault(manifest: Manifest) -> str:
    if manifest.format != FORMAT:
        return f"format {manifest.format}, known is {FORMAT}"
    if len(manifest.files) > MAX_FILES:
        return f"{len(manifest.files)} files, allowed are {MAX_FILES}"
    if not _INTERPRETER.fullmatch(manifest.requires.python_path):
        return f"interpreter {manifest.requires.python_path[:200]!r}"
    seen: set[str] = set()
    folders: set[str] = set()
    for entry in manifest.files:
        parts = entry.path.split("/")
        if not is_safe_path(entry.path) or entry.path in RESERVED:
            return f"path {entry.path[:200]!r}"
        if not _SHA256.fullmatch(entry.sha256) or not 0 <= entry.bytes <= MAX_FILE_BYTES:
            return f"digest or size of {entry.path}"
        if entry.path in seen:
            return f"{entry.path} comes twice"
        seen.add(entry.path)
        folders.update("/".join(parts[:count]) for count in range(1, len(parts)))
    if reserved := sorted(folders & RESERVED):
        return f"{reserved[0]} is no folder"
    both = sorted(seen & folders)
    return f"{both[0]} is a file and a folder" if both else ""


def is_safe_path(path: str) -> bool:
    """Whether a relative path stays in its folder, on every system, and prints as it is."""
    parts = path.split("/")
    return (
        0 < len(path.encode(errors="replace")) <= MAX_PATH_BYTES
        and path.isprintable()
        and "\\" not in path
        and all(part not in ("", ".", "..") and len(part.encode()) <= MAX_NAME_BYTES for part in parts)
    )
