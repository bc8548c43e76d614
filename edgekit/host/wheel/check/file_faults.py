"""What of a package's ELF files a target could not load, file by file."""

from __future__ import annotations

import re
from collections.abc import Mapping, Set
from dataclasses import dataclass
from functools import cache

import abi3info

from edgekit.host.wheel.check.elf import ElfFacts
from edgekit.host.wheel.check.faults import Fault, Faults
from edgekit.host.wheel.check.loads import Loads
from edgekit.host.wheel.check.symbols import Damaged
from edgekit.schema.units import format_bytes, version_tuple

_MODULE = re.compile(r"\.(?P<soabi>cpython-[\w-]+|pypy[\w-]+)\.so$")
_BOARD_FOLDER = re.compile(r"/(usr/(local/)?)?lib(32|64)?(/|$)|/usr/local/cuda")
"""Where an absolute search path may lead: a board's own libraries."""
_FAMILIES = {"GLIBC": "glibc", "GLIBCXX": "libstdcxx", "CXXABI": "libstdcxx", "GCC": "libstdcxx"}
_COPROCESSORS = ("EM_AMDGPU", "EM_BPF", "EM_CUDA", "EM_QDSP6")
"""What is for them is data to the CPU: kernels of a GPU, programs of the kernel's BPF, Hexagon's skeletons."""
_WORDS = {
    "aarch64": "aarch64|arm64",
    "armv7l": "arm|armhf|armv[67]l?|arm32",
    "i686": "i[3-6]86|x86|linux32",
    "x86_64": "x86_64|x86-64|amd64|x64|linux64|intel",
}
"""How paths name machines."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where files lie."""

    package: str
    """Name and version."""
    names: Set[str]
    """Paths of all files of the package."""
    present: Set[str]
    """Names of libraries that it, or another package beside it, brings."""
    abi3: str
    """The minor version whose stable ABI its tags promise, if any."""


def file_faults(files: Mapping[str, ElfFacts | Damaged], place: Place, loads: Loads) -> tuple[Fault, ...]:
    """Everything that is wrong with a package's ELF files."""
    faults = Faults(place.package)
    brought = {name for facts in files.values() if isinstance(facts, ElfFacts) for name in facts.python_exports}
    for path, facts in sorted(files.items()):
        if isinstance(facts, Damaged):
            faults.add("truncated", f"is a damaged ELF file: {facts}", path)
        elif facts.machine != loads.arch:
            _check_machine(path, facts, loads, faults)
        elif facts.is_loaded:
            _check_versions(path, facts, place, loads, faults)
            _check_libraries(path, facts, place, loads, faults)
            _check_search_paths(path, facts, loads, faults)
            _check_segments(path, facts, loads, faults)
            if message := _abi_fault(path, facts.python_symbols - brought, place, loads):
                hint = "get the wheel for the target's Python, or build it: edgekit wheel build"
                faults.add("abi", message, path, hint)
    return faults.found


def _check_machine(path: str, facts: ElfFacts, loads: Loads, faults: Faults) -> None:
    """A file for another machine is refused, but for what a package carries on purpose: then its path says so."""
    if facts.machine in _COPROCESSORS:
        return
    words = _WORDS.get(facts.machine, re.escape(facts.machine))
    named = re.search(f"(?<![a-z0-9])({words})(?![a-z0-9])", _MODULE.sub("", path.lower()))
    hint = "build it for the target: edgekit wheel build; or take another package, or another version"
    message = f"is for {facts.machine}, {loads.target} is {loads.arch}"
    if named or not facts.is_loaded:
        why = "as its path says" if named else "an object file that nothing loads"
        faults.add("machine", f"{message}: {why}", path, hint, severity="note")
    else:
        faults.add("machine", message, path, hint)


def _check_versions(path: str, facts: ElfFacts, place: Place, loads: Loads, faults: Faults) -> None:
    for version in facts.versions:
        family, number = version.named
        ceiling = loads.ceilings.get(family)
        if ceiling is None or version.library in place.present or number <= ceiling:
            continue
        symbol = f"{version.symbol} of " if version.symbol else ""
        has = f"{family}_{'.'.join(map(str, ceiling))}"
        message = f"asks for {version.name} ({symbol}{version.library}), {loads.target} has {has}"
        hint = "build it for the target: edgekit wheel build; or take an older version"
        faults.add("glibc" if family == "GLIBC" else "libstdcxx", message, path, hint)


def _check_libraries(path: str, facts: ElfFacts, place: Place, loads: Loads, faults: Faults) -> None:
    for name in facts.needed:
        if name not in place.present and not loads.has(name):
            message = f"needs {name}, which neither {loads.target} nor the package brings"
            faults.add("library", message, path, loads.cure(name))


def _check_search_paths(path: str, facts: ElfFacts, loads: Loads, faults: Faults) -> None:
    """Warn of search paths from the build machine: they find nothing on the board, and reveal where it was built."""
    others = "|".join(words for machine, words in _WORDS.items() if machine != loads.arch)
    hint = "link without -rpath, or repair the wheel: patchelf --remove-rpath"
    for entry in facts.rpaths:
        if entry.startswith(("$ORIGIN", "${ORIGIN}")):
            continue
        if not _BOARD_FOLDER.match(entry) or re.search(f"/({others})-linux-gnu", entry):
            whose = "a folder of the machine that made it" if entry.startswith("/") else "wherever it is started"
            faults.add("rpath", f"searches {entry}, {whose}", path, hint, severity="warn")


def _check_segments(path: str, facts: ElfFacts, loads: Loads, faults: Faults) -> None:
    if facts.executable_stack:
        hint = "link with -z noexecstack; an assembler file lacks .note.GNU-stack"
        faults.add("executable-stack", "asks for an executable stack", path, hint)
    if facts.text_relocations:
        message = "changes its own code when it is loaded (DT_TEXTREL)"
        faults.add("text-relocations", message, path, "compile with -fPIC")
    if 0 < facts.alignment_bytes < loads.page_bytes:
        page = format_bytes(loads.page_bytes)
        message = f"is aligned to {format_bytes(facts.alignment_bytes)}, {loads.target}'s kernel has pages of {page}"
        faults.add("alignment", message, path, "link with -z max-page-size=65536")


def _abi_fault(path: str, taken: Set[str], place: Place, loads: Loads) -> str:
    """A module's name must be one that the target's Python looks for, and what it takes from Python must be there."""
    module = _MODULE.search(path)
    if module and module["soabi"] != loads.soabi:
        fitting = path[: module.start()] + f".{loads.soabi}.so"  # some wheels bring modules for several Pythons
        message = f"is a module for {module['soabi']}, {loads.target} has {loads.soabi}"
        return "" if fitting in place.names else message
    promised = "" if module else place.abi3
    if promised or path.endswith(".abi3.so"):
        has, what = _stable(promised or loads.python), f"the stable ABI of Python {promised or loads.python}"
    else:
        has, what = loads.exports, f"Python {loads.python}"
    missing = sorted(taken - has) if has else []
    more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
    return f"takes {missing[0]}{more} from Python, which {what} does not have" if missing else ""


@cache
def _stable(minor: str) -> frozenset[str]:
    """Names in the stable ABI of a minor version. Source: CPython, Misc/stable_abi.toml, through abi3info."""
    major_minor = version_tuple(minor)
    known = [*abi3info.FUNCTIONS.values(), *abi3info.DATAS.values()]
    return frozenset(entry.symbol.name for entry in known if (entry.added.major, entry.added.minor) <= major_minor)
