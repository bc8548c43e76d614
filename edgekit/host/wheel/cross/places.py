"""Folders of the cache that cross-building uses, in one place."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Where things lie. Everything can be made again."""

    cache: Path
    """edgekit's cache folder."""
    cross: Path
    """The data folder `cross`."""

    @property
    def root(self) -> Path:
        """Everything that compilers read or write."""
        return self.cache / "cross"

    @property
    def compilers(self) -> Path:
        """zig, a folder a version."""
        return self.root / "zig"

    @property
    def toolchains(self) -> Path:
        """See `toolchain`."""
        return self.root / "toolchains"

    @property
    def pythons(self) -> Path:
        """See `headers`."""
        return self.root / "pythons"

    @property
    def roots(self) -> Path:
        """Unpacked Debian packages."""
        return self.root / "roots"

    @property
    def sources(self) -> Path:
        """Source packages and wheels as fetched, by digest."""
        return self.root / "sources"

    @property
    def work(self) -> Path:
        """Builds that go on."""
        return self.root / "work"

    @property
    def pins(self) -> Path:
        """Build requirements as locked at a package's first build."""
        return self.root / "pins"

    @property
    def logs(self) -> Path:
        """What builds said."""
        return self.root / "logs"

    @property
    def wheels(self) -> Path:
        """Built wheels."""
        return self.root / "wheels"
