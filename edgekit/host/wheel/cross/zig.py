"""Installs zig, a C and C++ compiler for every glibc, from PyPI in versions locked by hash."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from edgekit.errors import InputError, WheelError
from edgekit.host.cache import Cache
from edgekit.host.installed import INSTALLER_FILES, check_installed
from edgekit.host.progress import Progress
from edgekit.host.wheel.refusal import is_offline
from edgekit.host.wheel.uv import Uv
from edgekit.schema.reader import from_toml


@dataclass(frozen=True, slots=True, kw_only=True)
class ZigVersion:
    """One locked version."""

    hashes: tuple[str, ...]
    """SHA-256 of the wheels that may be installed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dropped:
    """Arguments that never reach the compiler."""

    patterns: tuple[str, ...]
    """As in sh's `case`."""
    reason: str
    arch: str = ""
    """Only for this target architecture; empty: for all."""
    noted: bool = False
    """Whether the user is shown a note."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ZigData:
    """`cross/zig/zig.toml`."""

    default: str
    cpu: str
    versions: dict[str, ZigVersion]
    dropped: tuple[Dropped, ...]


def read_zig(folder: Path) -> ZigData:
    """The data in `cross/zig`."""
    file = folder / "zig.toml"
    return from_toml(ZigData, file.read_text(encoding="utf-8"), str(file))


def zig_program(version: str, cache: Cache) -> Path:
    """Where the zig program of a version is, once it is installed."""
    return cache.path(version) / "ziglang" / "zig"


def install_zig(version: str, data: ZigData, cache: Cache, uv: Uv, progress: Progress) -> Path:
    """The zig program of a version, fetched once and checked whenever this is called.

    Args:
        version: one that `data` has hashes of.
        data: see `read_zig`.
        cache: has an entry for each version.
        uv: installs it.
        progress: is told about the download.

    Raises:
        InputError: no such version is locked.
        WheelError: it cannot be had.
    """
    if version not in data.versions:
        known = ", ".join(sorted(data.versions))
        raise InputError(f"zig {version} is not locked", hint=f"add its hashes to cross/zig/zig.toml; known: {known}")
    hashes = "".join(f" --hash=sha256:{sha256}" for sha256 in data.versions[version].hashes)

    def fill(folder: Path) -> None:
        with progress.step(f"fetching the compiler, zig {version}, 100 MB and 400 MB unpacked", usually="10 to 60 s"):
            done = uv.install_here(f"ziglang=={version}{hashes}", folder)
        if done.returncode:
            offline = is_offline(done.output)
            raise WheelError(
                f"the compiler, zig {version}, cannot be fetched" + (": the package index is out of reach" * offline),
                hint="check the network; what was built here once needs no compiler",
                details=done.output,
            )
        check_installed(folder, WheelError, INSTALLER_FILES)

    cache.get(version, fill, f"zig {version}")
    return zig_program(version, cache)
