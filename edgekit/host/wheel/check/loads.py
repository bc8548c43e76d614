"""What a target can load: machine, versions of its libraries, Python's names, page size."""

from __future__ import annotations

import fnmatch
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from edgekit.schema.reader import from_toml
from edgekit.schema.target import Os, Target
from edgekit.schema.units import version_tuple


@dataclass(frozen=True, slots=True, kw_only=True)
class System:
    """The compiler's libraries of a well-known image."""

    os_id: str
    os_version: str
    glibcxx: str
    cxxabi: str
    gcc: str
    """Of libgcc_s."""
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Libraries:
    """Libraries that boards have, as patterns of file names."""

    every: tuple[str, ...]
    """Every image."""
    tensorrt: tuple[str, ...]
    rknn: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cure:
    """What to do about a missing library."""

    library: str
    """Pattern of its file name."""
    hint: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BoardData:
    """`cross/board-libraries.toml`."""

    systems: tuple[System, ...]
    libraries: Libraries
    cures: tuple[Cure, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Loads:
    """What a target's dynamic loader and Python accept."""

    target: str
    arch: str
    python: str
    soabi: str
    page_bytes: int
    ceilings: dict[str, tuple[int, ...]]
    """The highest version of each family of symbols: `GLIBC` to (2, 36). Others are not known."""
    libraries: tuple[str, ...]
    cures: tuple[Cure, ...]
    exports: frozenset[str]
    """What its Python exports; empty where that is not known."""

    @property
    def digest(self) -> str:
        """Cache key: covers everything above."""
        made_of = [self.arch, self.python, self.soabi, self.page_bytes, self.ceilings, self.libraries]
        return hashlib.sha256(json.dumps([*made_of, sorted(self.exports)]).encode()).hexdigest()

    def has(self, library: str) -> bool:
        """Whether the target itself brings a library."""
        return any(fnmatch.fnmatchcase(library, pattern) for pattern in self.libraries)

    def cure(self, library: str) -> str:
        """What to do about a library that the target lacks."""
        found = (cure.hint for cure in self.cures if fnmatch.fnmatchcase(library, cure.library))
        own = f'if its boards have it: os.libraries = ["{library}"] in targets/{self.target}.toml'
        return next(found, f"check it together with the package that brings it; {own}")


def loads_of(target: Target, cross: Path) -> Loads:
    """What a target can load.

    Args:
        target: the board type.
        cross: the data folder `cross`.
    """
    file = cross / "board-libraries.toml"
    data = from_toml(BoardData, file.read_text(encoding="utf-8"), str(file))
    kinds = {accelerator.kind for accelerator in target.accelerators}
    patterns = [*data.libraries.every, *target.os.libraries]
    patterns += data.libraries.tensorrt if "tensorrt" in kinds else ()
    patterns += data.libraries.rknn if "rknn" in kinds else ()
    minor = target.os.python.replace(".", "")
    exports = cross / "pythons" / "exports" / f"cp{minor}.txt"
    return Loads(
        target=target.name,
        arch=target.os.arch,
        python=target.os.python,
        soabi=target.os.soabi or f"cpython-{minor}-{target.os.arch}-linux-gnu",
        page_bytes=target.memory.page_bytes,
        ceilings=_ceilings(target.os, data),
        libraries=tuple(patterns),
        cures=data.cures,
        exports=frozenset(exports.read_text(encoding="utf-8").split()) if exports.is_file() else frozenset(),
    )


def _ceilings(os: Os, data: BoardData) -> dict[str, tuple[int, ...]]:
    known = next((entry for entry in data.systems if (entry.os_id, entry.os_version) == (os.id, os.version)), None)
    if os.glibcxx and (known is None or known.glibcxx != os.glibcxx):  # a board's own, such as a newer compiler's
        known = next((entry for entry in data.systems if entry.glibcxx == os.glibcxx), None)
    versions = {
        "GLIBC": os.libc_version,
        "GLIBCXX": os.glibcxx or (known.glibcxx if known else ""),
        "CXXABI": known.cxxabi if known else "",
        "GCC": known.gcc if known else "",
    }
    return {family: version_tuple(version) for family, version in versions.items() if version}
