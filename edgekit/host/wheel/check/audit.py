"""Checks what wheels need against what a target provides."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path

from packaging.tags import Tag

from edgekit.errors import InputError
from edgekit.host.wheel.check.archive import WheelFile, read_wheel
from edgekit.host.wheel.check.elf import MAGIC, ElfFacts, read_elf
from edgekit.host.wheel.check.faults import Fault
from edgekit.host.wheel.check.file_faults import Place, file_faults
from edgekit.host.wheel.check.loads import Loads
from edgekit.host.wheel.check.manylinux import highest_versions, true_platform
from edgekit.host.wheel.check.symbols import Damaged
from edgekit.host.wheel.needs import Wanted
from edgekit.host.wheel.pylock import supported_tags

Files = Mapping[str, ElfFacts | Damaged]
"""What was read of ELF files, by path."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WheelReport:
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
    notes: tuple[Fault, ...] = ()
    """Files in it that are for other machines, on purpose: no fault, and of no use to the target."""


def check_wheel(path: Path, loads: Loads) -> WheelReport:
    """Judge a wheel file by itself.

    Raises:
        InputError: there is no such file.
    """
    return check_wheels((path,), loads)[0]


def check_wheels(paths: Sequence[Path], loads: Loads) -> tuple[WheelReport, ...]:
    """Judge wheel files that are to be installed together: a library that one brings counts for the others.

    Raises:
        InputError: one of them is not there.
    """
    wheels = [_open(path) for path in paths]
    present = frozenset(name for wheel in wheels for name in _present(wheel.elf, loads.arch))
    return tuple(_report(path, wheel, present, loads) for path, wheel in zip(paths, wheels, strict=True))


def check_site(site: Path, loads: Loads) -> tuple[Fault, ...]:
    """Judge a folder of installed packages by every ELF file in it. What is untidy and loads all the same is left out.

    Args:
        site: as an installer left it, with a `.dist-info` folder for each package.
        loads: what the target can load.
    """
    owners = _owners(site)
    packages: dict[str, dict[str, ElfFacts | Damaged]] = {}
    for path, package in owners.items():
        facts = _read(site / path)
        if facts is not None:
            packages.setdefault(package, {})[path] = facts
    present = frozenset(name for files in packages.values() for name in _present(files, loads.arch))
    faults: list[Fault] = []
    for package, files in sorted(packages.items()):
        names = frozenset(path for path, owner in owners.items() if owner == package)
        shown = package.removesuffix(".dist-info").replace("-", " ", 1)
        faults += file_faults(files, _place(shown, names, _site_tags(site, package), present), loads)
    return tuple(fault for fault in faults if fault.severity == "refuse")


def _open(path: Path) -> WheelFile:
    try:
        return read_wheel(path)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}", hint=f"ls -l {path}") from None


def _report(path: Path, wheel: WheelFile, present: Set[str], loads: Loads) -> WheelReport:
    found = [*wheel.faults, *file_faults(wheel.elf, _place(wheel.package, wheel.names, wheel.tags, present), loads)]
    if not any(fault.code == "not-a-wheel" for fault in found):
        found += _tag_faults(wheel, loads)
    read = [facts for facts in wheel.elf.values() if isinstance(facts, ElfFacts)]
    inside = _present(wheel.elf, loads.arch)
    return WheelReport(
        package=wheel.package,
        file=path.name,
        tags=tuple(sorted(map(str, wheel.tags))),
        elf_files=len(wheel.elf),
        machines=tuple(sorted({facts.machine for facts in read})),
        versions=highest_versions(read),
        needed=tuple(sorted({name for facts in read for name in facts.needed if name not in inside})),
        true_platform=true_platform(read, loads.arch),
        faults=tuple(fault for fault in found if fault.severity != "note"),
        notes=tuple(fault for fault in found if fault.severity == "note"),
    )


def _place(package: str, names: Set[str], tags: Set[Tag], present: Set[str]) -> Place:
    return Place(package=package, names=names, present=present, abi3=_abi3(tags))


def _owners(site: Path) -> dict[str, str]:
    """The dist-info folder of each file that could be ELF."""
    owners: dict[str, str] = {}
    for record in sorted(site.glob("*.dist-info/RECORD")):
        with record.open(encoding="utf-8", errors="replace", newline="") as lines:
            paths = (line[0] for line in csv.reader(lines) if line)
            owners |= dict.fromkeys((path for path in paths if not path.endswith((".py", ".pyc"))), record.parent.name)
    return owners


def _site_tags(site: Path, package: str) -> frozenset[Tag]:
    wheel = site / package / "WHEEL"
    text = wheel.read_text(encoding="utf-8", errors="replace") if wheel.is_file() else ""
    found = re.findall(r"^Tag:\s*([^-\s]+)-([^-\s]+)-(\S+)\s*$", text, re.M)
    return frozenset(Tag(*parts) for parts in found)


def _read(file: Path) -> ElfFacts | Damaged | None:
    try:
        with file.open("rb") as opened:
            return read_elf(opened) if opened.read(len(MAGIC)) == MAGIC else None
    except Damaged as error:
        return error
    except OSError:
        return None


def _present(files: Files, arch: str) -> frozenset[str]:
    """Names under which a loader of that machine may find what is there."""
    own = {path: facts for path, facts in files.items() if isinstance(facts, ElfFacts) and facts.machine == arch}
    return frozenset({facts.soname for facts in own.values()} | {path.rpartition("/")[2] for path in own})


def _abi3(tags: Iterable[Tag]) -> str:
    """The minor version whose stable ABI is promised: `3.9`; empty where none is."""
    minors = [tag.interpreter[3:] for tag in tags if tag.abi == "abi3" and re.fullmatch(r"cp3\d+", tag.interpreter)]
    return f"3.{min(map(int, minors))}" if minors else ""


def _tag_faults(wheel: WheelFile, loads: Loads) -> Iterator[Fault]:
    """Tags that the target's installer does not take, and a promise to be for any machine that its files break."""
    package, tags = wheel.package, wheel.tags
    own = [path for path, facts in wheel.elf.items() if isinstance(facts, ElfFacts) and facts.machine == loads.arch]
    if own and all(tag.platform == "any" for tag in tags):
        message = f"is for {loads.arch} alone, and its wheel's name says for any machine"
        hint = "name its platform: wheel tags --platform-tag; installers for other machines take it as it is"
        yield Fault(package=package, file=min(own), code="tag", message=message, hint=hint, severity="warn")
    glibc = ".".join(map(str, loads.ceilings["GLIBC"]))
    wanted = Wanted(requirements=(), python=loads.python, arch=loads.arch, libc_version=glibc)
    if not set(tags) & set(supported_tags(wanted)):
        names = ", ".join(sorted(map(str, tags)))
        message = f"is for {names}; {loads.target} has {wanted}"
        yield Fault(package=package, file="", code="tag", message=message, hint="get the wheel for that system")
