"""Paths of the cache folders that cross-building uses."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from edgekit.host.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class CrossPaths:
    """Paths. Everything in `cache` can be made again."""

    cache: Path
    """edgekit's cache folder."""
    cross: Path
    """The data folder `cross`."""

    @classmethod
    def of(cls, settings: Settings) -> CrossPaths:
        """The paths of a user's settings."""
        return cls(cache=settings.cache_dir, cross=settings.data_dir / "cross")

    @property
    def root(self) -> Path:
        """Everything that compilers read or write."""
        return self.cache / "crossbuild"

    @property
    def compilers(self) -> Path:
        """zig, one entry for each version."""
        return self.root / "compilers"

    @property
    def toolchains(self) -> Path:
        """See `toolchain`."""
        return self.root / "toolchains"

    @property
    def headers(self) -> Path:
        """See `headers`."""
        return self.root / "headers"

    @property
    def roots(self) -> Path:
        """Unpacked Debian packages."""
        return self.root / "roots"

    @property
    def sources(self) -> Path:
        """Source packages, Debian packages and wheels, as they were fetched."""
        return self.root / "sources"

    @property
    def work(self) -> Path:
        """Folders of builds that are running."""
        return self.root / "work"

    @property
    def pins(self) -> Path:
        """Build requirements as locked at a package's first build."""
        return self.root / "pins"

    @property
    def logs(self) -> Path:
        """The output of builds."""
        return self.root / "logs"

    @property
    def wheels(self) -> Path:
        """Built wheels."""
        return self.root / "wheels"

    @property
    def archive_answers(self) -> Path:
        """What Debian's archive answered about packages that no lock has."""
        return self.root / "archive-answers"

    @property
    def libraries(self) -> Path:
        """zig's own libraries, compiled at first use for each toolchain and language."""
        return self.root / "libraries"
