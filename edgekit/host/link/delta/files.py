"""What patches are made from and what they are, on this machine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from edgekit.schema.manifest import Manifest


@dataclass(frozen=True, slots=True, kw_only=True)
class Patch:
    """One patch, as a file of this machine."""

    sha256: str
    """Of the file that it makes."""
    base: str
    """Of the file that it is applied to; empty: none."""
    name: str
    """The beginning of its own digest."""
    file: Path
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseFiles:
    """A release as it lies on this machine."""

    digest: str
    manifest: Manifest
    manifest_bytes: bytes
    file: Callable[[str], Path]
    """Where a listed path lies."""
    provenance: Callable[[], tuple[bytes, bytes]] = lambda: (b"", b"")
    """How it was made, and the signature over that; both empty where nobody has said."""
