"""Maps a board's OS image to the Debian package sets that match it: `cross/images.toml`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from edgekit.schema.reader import from_toml
from edgekit.schema.target import Os


@dataclass(frozen=True, slots=True, kw_only=True)
class RuntimeSet:
    """A C++ library."""

    set: str
    gcc: str
    """GCC's major version."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OsImage:
    """A well-known image."""

    os_id: str
    os_version: str
    python: str = ""
    """Set with the headers of its own Python; empty: this machine's of the same minor version."""
    runtime: RuntimeSet | None = None
    """Set with its C++ library; None: zig's own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _OsImages:
    images: tuple[OsImage, ...]


def find_image(os: Os, cross: Path) -> OsImage:
    """The image of a target; without package sets where it is unknown.

    Args:
        os: the target's operating system.
        cross: the data folder `cross`.
    """
    file = cross / "images.toml"
    known = from_toml(_OsImages, file.read_text(encoding="utf-8"), str(file)).images
    unknown = OsImage(os_id=os.id, os_version=os.version)
    if os.arch != "aarch64":
        return unknown
    return next((image for image in known if (image.os_id, image.os_version) == (os.id, os.version)), unknown)
