"""What of a package's ELF files a target could not load, file by file."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass
from functools import cache

import abi3info

from edgekit.host.wheel.check.elf import ElfFacts
from edgekit.host.wheel.check.faults import Fault, FaultCode
from edgekit.host.wheel.check.loads import Loads
from edgekit.host.wheel.check.symbols import Damaged
from edgekit.schema.units import format_bytes, version_tuple

_MODULE = re.compile(r"\.(?P<soabi>cpython-[\w-]+|pypy[\w-]+)\.so$")
_BOARD_FOLDERS = ("/usr/lib", "/lib", "/usr/local/cuda")
"""Where an absolute search path may lead: a board's own libraries."""
_FAMILIES: dict[str, tuple[FaultCode, str]] = {
    "GLIBC": ("glibc", "build it for the target: edgekit wheel build; or take an older version"),
    "GLIBCXX": ("libstdcxx", "build it for the target: edgekit wheel build; or take an older version"),
    "CXXABI": ("libstdcxx", "build it for the target: edgekit wheel build; or take an older version"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where files lie."""

    package: str
    """Name and version."""
    names: Set[str]
    """Paths of all files of the package."""
    present: Set[str]
    """Names of libraries that it, or another package beside it, brings."""
    pure: bool
    """Its tags promise that it is for any machine."""
    abi3: str
    """The minor version whose stable ABI its tags promise, if any."""


def file_faults(files: Mapping[str, ElfFacts | Damaged], place: Place, loads: Loads) -> Iterator[Fault]:
    """Everything that is wrong with a package's ELF files."""
    for path, facts in sorted(files.items()):
        if isinstance(facts, Damaged):
            yield _fault(place, path, "truncated", f"is a damaged ELF file: {facts}", "get the wheel again")
        elif not facts.is_loaded or (place.pure and facts.machine != loads.arch):
            continue  # data: object files, and what a package for every machine has for others
        elif facts.machine != loads.arch:
            message = f"is for {facts.machine}, {loads.target} is {loads.arch}"
            yield _fault(place, path, "machine", message, "build it for the target: edgekit wheel build")
        else:
            yield from _versions(path, facts, place, loads)
            yield from _libraries(path, facts, place, loads)
            yield from _search_paths(path, facts, place)
            yield from _segments(path, facts, place, loads)
            yield from _python(path, facts, place, loads)


def _fault(place: Place, path: str, code: FaultCode, message: str, hint: str) -> Fault:
    return Fault(package=place.package, file=path, code=code, message=message, hint=hint)


def _versions(path: str, facts: ElfFacts, place: Place, loads: Loads) -> Iterator[Fault]:
    for version in facts.versions:
        family, number = version.named
        ceiling = loads.ceilings.get(family)
        if ceiling is None or version.library in place.present or number <= ceiling:
            continue
        code, hint = _FAMILIES[family]
        symbol = f"{version.symbol} of " if version.symbol else ""
        has = f"{family}_{'.'.join(map(str, ceiling))}"
        message = f"asks for {version.name} ({symbol}{version.library}), {loads.target} has {has}"
        yield _fault(place, path, code, message, hint)


def _libraries(path: str, facts: ElfFacts, place: Place, loads: Loads) -> Iterator[Fault]:
    for name in facts.needed:
        if name not in place.present and not loads.has(name):
            message = f"needs {name}, which neither {loads.target} nor the package brings"
            yield _fault(place, path, "library", message, loads.cure(name))


def _search_paths(path: str, facts: ElfFacts, place: Place) -> Iterator[Fault]:
    for entry in facts.rpaths:
        if entry.startswith(("$ORIGIN", "${ORIGIN}")):
            inside = posixpath.normpath(posixpath.join(posixpath.dirname(path), entry.partition("/")[2] or "."))
            if inside == ".." or inside.startswith("../"):
                yield _fault(place, path, "rpath", f"searches {entry}, outside of all packages", _RPATH_HINT)
        elif not entry.startswith(_BOARD_FOLDERS):
            yield _fault(place, path, "rpath", f"searches {entry}, a folder of the machine that made it", _RPATH_HINT)


_RPATH_HINT = "link without -rpath, or repair the wheel: patchelf --remove-rpath"


def _segments(path: str, facts: ElfFacts, place: Place, loads: Loads) -> Iterator[Fault]:
    if facts.executable_stack:
        hint = "link with -z noexecstack; an assembler file lacks .note.GNU-stack"
        yield _fault(place, path, "executable-stack", "asks for an executable stack", hint)
    if facts.text_relocations:
        hint = "compile with -fPIC"
        yield _fault(place, path, "text-relocations", "changes its own code when it is loaded (DT_TEXTREL)", hint)
    if 0 < facts.alignment_bytes < loads.page_bytes:
        page = format_bytes(loads.page_bytes)
        message = f"is aligned to {format_bytes(facts.alignment_bytes)}, {loads.target}'s kernel has pages of {page}"
        yield _fault(place, path, "alignment", message, "link with -z max-page-size=65536")


def _python(path: str, facts: ElfFacts, place: Place, loads: Loads) -> Iterator[Fault]:
    """A module's name and the Python symbols that it takes must fit the target's Python."""
    hint = "get the wheel for the target's Python, or build it: edgekit wheel build"
    module = _MODULE.search(path)
    if module and module["soabi"] != loads.soabi:
        fitting = path[: module.start()] + f".{loads.soabi}.so"
        if fitting not in place.names:
            message = f"is a module for {module['soabi']}, {loads.target} has {loads.soabi}"
            yield _fault(place, path, "abi", message, hint)
        return
    promised = place.abi3 if place.abi3 and not module else ""
    if promised or path.endswith(".abi3.so"):
        allowed, what = _stable(promised or loads.python), f"the stable ABI of Python {promised or loads.python}"
    else:
        allowed, what = loads.exports, f"Python {loads.python}"
    missing = sorted(facts.python_symbols - allowed) if allowed else []
    if missing:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        yield _fault(place, path, "abi", f"takes {missing[0]}{more} from Python, which {what} does not have", hint)


@cache
def _stable(minor: str) -> frozenset[str]:
    """Names in the stable ABI of a minor version. Source: CPython, Misc/stable_abi.toml, through abi3info."""
    major_minor = version_tuple(minor)
    known = [*abi3info.FUNCTIONS.values(), *abi3info.DATAS.values()]
    return frozenset(entry.symbol.name for entry in known if (entry.added.major, entry.added.minor) <= major_minor)
