"""Finds the compiled modules and libraries of an installed package."""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from packaging.utils import canonicalize_name

from edgekit.host.wheel.check.elf import MAGIC, ElfFacts, read_elf
from edgekit.host.wheel.check.symbols import Damaged

_SUFFIX = re.compile(r"(?:\.cpython-[\w-]+|\.abi3)?\.so$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Compiled:
    """A compiled file."""

    kind: Literal["module", "library"]
    """Python imports a module; its own code loads a library with ctypes."""
    name: str
    """`lap._lapjv` of a module, the path of a library."""

    def __str__(self) -> str:
        """For messages: without folders."""
        return self.name if self.kind == "module" else self.name.rpartition("/")[2]


def compiled_parts(site: Path, package: str, arch: str) -> tuple[Compiled, ...]:
    """The compiled modules of a package, and those of its libraries that none of its files links, sorted.

    Args:
        site: a folder of installed packages.
        package: its name.
        arch: the target's architecture.
    """
    files = {path: facts for path in _files(site, package) if (facts := _facts(site / path, arch))}
    linked = {name for facts in files.values() for name in facts.needed}
    parts = []
    for path, facts in sorted(files.items()):
        stem = _SUFFIX.sub("", path)
        if f"PyInit_{stem.rpartition('/')[2]}" in facts.python_exports:
            parts.append(Compiled(kind="module", name=stem.removesuffix("/__init__").replace("/", ".")))
        elif not facts.is_program and path.rpartition("/")[2] not in linked and facts.soname not in linked:
            parts.append(Compiled(kind="library", name=str(site / path)))
    return tuple(parts)


def _files(site: Path, package: str) -> list[str]:
    """Paths below the folder, as its RECORD names them."""
    records = [
        file
        for file in sorted(site.glob("*.dist-info/RECORD"))
        if canonicalize_name(file.parent.name.partition("-")[0]) == canonicalize_name(package)
    ]
    paths = []
    for record in records:
        with record.open(encoding="utf-8", errors="replace", newline="") as lines:
            paths += [line[0] for line in csv.reader(lines) if line and ".so" in line[0]]
    return [path for path in paths if not path.startswith(("/", ".."))]


def _facts(file: Path, arch: str) -> ElfFacts | None:
    try:
        with file.open("rb") as opened:
            facts = read_elf(opened) if opened.read(len(MAGIC)) == MAGIC else None
    except (Damaged, OSError):
        return None
    return facts if facts and facts.is_loaded and facts.machine == arch else None
