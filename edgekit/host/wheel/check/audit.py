"""Joins what a wheel asks for with what a target has."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass
from pathlib import Path

from packaging.tags import Tag

from edgekit.errors import InputError
from edgekit.host.wheel.check.archive import read_wheel
from edgekit.host.wheel.check.elf import MAGIC, ElfFacts, read_elf
from edgekit.host.wheel.check.faults import Fault
from edgekit.host.wheel.check.file_faults import Place, file_faults
from edgekit.host.wheel.check.loads import Loads
from edgekit.host.wheel.check.symbols import Damaged
from edgekit.host.wheel.needs import Wanted
from edgekit.host.wheel.pylock import supported_tags

_OLDEST_MANYLINUX = (2, 17)
"""For arm64. Source: PEP 599, PEP 600."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A wheel, judged for a target."""

    package: str
    file: str
    tags: tuple[str, ...]
    elf_files: int
    machines: tuple[str, ...]
    versions: dict[str, str]
    """The highest version that it needs of each family: `GLIBC` to `2.34`."""
    needed: tuple[str, ...]
    """Libraries that it takes from outside."""
    true_platform: str
    """The platform tag that is true of it, by what its files ask for: `manylinux_2_34_aarch64`, or `any`."""
    faults: tuple[Fault, ...]


def check_wheel(path: Path, loads: Loads) -> Report:
    """Judge a wheel file.

    Raises:
        InputError: there is no such file.
    """
    try:
        wheel = read_wheel(path)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}", hint=f"ls -l {path}") from None
    faults = list(wheel.faults)
    if not faults or wheel.elf:
        pure = all(tag.platform == "any" for tag in wheel.tags)
        package = Place(
            package=wheel.package, names=wheel.names, present=_present(wheel.elf), pure=pure, abi3=_abi3(wheel.tags)
        )
        faults += file_faults(wheel.elf, package, loads)
    if wheel.tags and not any(fault.code == "not-a-wheel" for fault in faults):
        faults += _tag_faults(wheel.package, wheel.tags, loads)
    read = [facts for facts in wheel.elf.values() if isinstance(facts, ElfFacts)]
    inside = _present(wheel.elf)
    return Report(
        package=wheel.package,
        file=path.name,
        tags=tuple(sorted(map(str, wheel.tags))),
        elf_files=len(wheel.elf),
        machines=tuple(sorted({facts.machine for facts in read})),
        versions=_highest(read),
        needed=tuple(sorted({name for facts in read for name in facts.needed if name not in inside})),
        true_platform=_true_platform(read, loads.arch),
        faults=tuple(faults),
    )


def check_site(site: Path, loads: Loads) -> tuple[Fault, ...]:
    """Judge a folder of installed packages: every ELF file in it.

    Args:
        site: as an installer left it, with a `.dist-info` folder for each package.
        loads: what the target can load.
    """
    owners = _owners(site)
    elf = {path: facts for path in sorted(owners) if (facts := _read(site / path)) is not None}
    present = _present(elf)
    faults: list[Fault] = []
    for package in sorted({owners[path] for path in elf}):
        own = {path: facts for path, facts in elf.items() if owners[path] == package}
        tags = _site_tags(site, package)
        pure = all(tag.endswith("-any") for tag in tags)
        names = frozenset(path for path, owner in owners.items() if owner == package)
        abi3 = _abi3(frozenset(Tag(*tag.split("-", 2)) for tag in tags))
        shown = package.removesuffix(".dist-info").replace("-", " ", 1)
        place = Place(package=shown, names=names, present=present, pure=pure, abi3=abi3)
        faults += file_faults(own, place, loads)
    return tuple(faults)


def _owners(site: Path) -> dict[str, str]:
    """The dist-info folder of each file that could be ELF."""
    owners: dict[str, str] = {}
    for record in sorted(site.glob("*.dist-info/RECORD")):
        for line in record.read_text(encoding="utf-8", errors="replace").splitlines():
            path = line[1:].split('"', 1)[0] if line.startswith('"') else line.split(",", 1)[0]
            if not path.endswith((".py", ".pyi", ".pyc")):
                owners[path] = record.parent.name
    return owners


def _site_tags(site: Path, package: str) -> list[str]:
    wheel = site / package / "WHEEL"
    text = wheel.read_text(encoding="utf-8", errors="replace") if wheel.is_file() else ""
    return [line.split(":", 1)[1].strip() for line in text.splitlines() if line.startswith("Tag:")]


def _read(file: Path) -> ElfFacts | Damaged | None:
    try:
        with file.open("rb") as opened:
            return read_elf(opened) if opened.read(len(MAGIC)) == MAGIC else None
    except Damaged as error:
        return error
    except OSError:
        return None


def _present(elf: Mapping[str, ElfFacts | Damaged]) -> Set[str]:
    """Names under which a loader may find what is there."""
    sonames = {facts.soname for facts in elf.values() if isinstance(facts, ElfFacts) and facts.soname}
    return sonames | {path.rsplit("/", maxsplit=1)[-1] for path in elf}


def _abi3(tags: Set[Tag]) -> str:
    """The minor version whose stable ABI is promised: `3.9`; empty where none is."""
    minors = [tag.interpreter[3:] for tag in tags if tag.abi == "abi3" and re.fullmatch(r"cp3\d+", tag.interpreter)]
    return f"3.{min(map(int, minors))}" if minors else ""


def _tag_faults(package: str, tags: Set[Tag], loads: Loads) -> Iterator[Fault]:
    glibc = ".".join(map(str, loads.ceilings["GLIBC"]))
    wanted = Wanted(requirements=(), python=loads.python, arch=loads.arch, libc_version=glibc)
    if not set(tags) & set(supported_tags(wanted)):
        told = ", ".join(sorted(map(str, tags)))
        message = f"is for {told}; {loads.target} has {wanted}"
        yield Fault(package=package, file="", code="tag", message=message, hint="get the wheel for that system")


def _highest(files: list[ElfFacts]) -> dict[str, str]:
    best: dict[str, tuple[int, ...]] = {}
    for version in (version for facts in files for version in facts.versions):
        if version.number:
            best[version.family] = max(best.get(version.family, ()), version.number)
    return {family: ".".join(map(str, number)) for family, number in sorted(best.items())}


def _true_platform(files: list[ElfFacts], arch: str) -> str:
    own = [facts for facts in files if facts.machine == arch and facts.is_loaded]
    if not own:
        return "any"
    needed = [version.glibc for facts in own for version in facts.versions]
    major, minor = max([_OLDEST_MANYLINUX, *((number[0], number[1]) for number in needed if len(number) > 1)])
    return f"manylinux_{major}_{minor}_{arch}"
