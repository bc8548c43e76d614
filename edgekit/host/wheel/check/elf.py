"""What one ELF file needs of the system that loads it. Source: System V ABI; LSB 5.0, Symbol Versioning."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO

from elftools.elf.constants import P_FLAGS
from elftools.elf.elffile import ELFFile
from elftools.elf.segments import Segment

from edgekit.host.wheel.check.symbols import Damaged, Symbol, Tables
from edgekit.schema.units import version_tuple

MAGIC = b"\x7fELF"
_MACHINES = {"EM_AARCH64": "aarch64", "EM_X86_64": "x86_64", "EM_386": "i686", "EM_ARM": "armv7l"}
_LOADED = ("ET_DYN", "ET_EXEC")
_STACK_BY_DEFAULT = ("x86_64", "i686")
"""Without PT_GNU_STACK stacks are executable there, and on arm64 not.

Source: glibc, sysdeps/x86_64/stackinfo.h and sysdeps/aarch64/stackinfo.h, DEFAULT_STACK_PERMS.
"""
_DT_NEEDED, _DT_SONAME, _DT_RPATH, _DT_TEXTREL, _DT_RUNPATH, _DT_FLAGS = 1, 14, 15, 22, 29, 30
_DF_TEXTREL = 0x4


@dataclass(frozen=True, slots=True, kw_only=True)
class SymbolVersion:
    """A versioned symbol that the file takes from a library."""

    library: str
    name: str
    """`GLIBC_2.38`."""
    symbol: str
    """One of those that need it."""

    @property
    def family(self) -> str:
        """`GLIBC`."""
        return self.name.rpartition("_")[0]

    @property
    def number(self) -> tuple[int, ...]:
        """`(2, 38)`; empty for a name without a number, such as GLIBC_PRIVATE."""
        text = self.name.rpartition("_")[2]
        return version_tuple(text) if text.replace(".", "").isdecimal() else ()

    @property
    def named(self) -> tuple[str, tuple[int, ...]]:
        """Family and number; packed relocations count as the glibc that first knew them.

        Source: glibc 2.36's NEWS, GLIBC_ABI_DT_RELR.
        """
        return ("GLIBC", (2, 36)) if self.name == "GLIBC_ABI_DT_RELR" else (self.family, self.number)

    @property
    def glibc(self) -> tuple[int, ...]:
        """The glibc that it asks for; empty for other families."""
        family, number = self.named
        return number if family == "GLIBC" else ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ElfFacts:
    """One file. For machines that no target has, only `machine` and `is_loaded` are set."""

    machine: str
    """`aarch64`; of unknown ones the ELF name."""
    is_loaded: bool
    """A library or a program, not an object file."""
    is_program: bool = False
    """It asks for a dynamic loader of its own."""
    soname: str = ""
    needed: tuple[str, ...] = ()
    rpaths: tuple[str, ...] = ()
    """Of DT_RPATH and DT_RUNPATH, split at colons."""
    versions: tuple[SymbolVersion, ...] = ()
    """The highest of each family and library."""
    executable_stack: bool = False
    text_relocations: bool = False
    alignment_bytes: int = 0
    """The largest page that its loaded segments fit; 0 where nothing is loaded."""
    python_symbols: frozenset[str] = frozenset()
    """Names that it expects of the Python that loads it."""
    python_exports: frozenset[str] = frozenset()
    """Names of that kind that it brings: `PyInit__lapjv` of a module."""


def read_elf(file: BinaryIO) -> ElfFacts:
    """Read a file.

    Raises:
        Damaged: it is cut off, or no ELF file.
    """
    try:
        return _facts(file)
    except Damaged:
        raise
    except Exception as error:  # pyelftools fails in any way that rubbish can make it
        raise Damaged(str(error) or type(error).__name__) from None


def _facts(file: BinaryIO) -> ElfFacts:
    file.seek(0, os.SEEK_END)
    size = file.tell()
    elf = ELFFile(file)
    is_loaded = elf["e_type"] in _LOADED
    machine = _machine(elf)
    if elf.elfclass != 64 or not elf.little_endian:
        return ElfFacts(machine=machine, is_loaded=is_loaded)
    tables = Tables(elf, file, size)
    segments = list(elf.iter_segments())
    if "SHT_DYNAMIC" not in tables.sections and any(part["p_type"] == "PT_DYNAMIC" for part in segments):
        raise Damaged("it has no section headers, so what it needs is not told")
    tags = tables.tags()
    symbols = list(tables.symbols())
    python = [symbol for symbol in symbols if symbol.name.startswith(("Py", "_Py"))]
    return ElfFacts(
        machine=machine,
        is_loaded=is_loaded,
        is_program=any(part["p_type"] == "PT_INTERP" for part in segments),
        soname=next(iter(_texts(tables, tags, _DT_SONAME)), ""),
        needed=_texts(tables, tags, _DT_NEEDED),
        rpaths=tuple(path for text in _texts(tables, tags, _DT_RPATH, _DT_RUNPATH) for path in text.split(":") if path),
        versions=tuple(_highest(tables, symbols)),
        executable_stack=is_loaded and _executable_stack(machine, segments),
        text_relocations=any(_is_text_relocation(*tag) for tag in tags),
        alignment_bytes=min(map(_alignment, filter(_takes_room, segments)), default=0),
        python_symbols=frozenset(symbol.name for symbol in python if not symbol.is_defined and not symbol.is_weak),
        python_exports=frozenset(symbol.name for symbol in python if symbol.is_defined),
    )


def _machine(elf: ELFFile) -> str:
    name = str(elf["e_machine"])
    known = _MACHINES.get(name, name)
    if not elf.little_endian:
        return f"{known}, big-endian"
    return f"{known} with 32-bit pointers" if elf.elfclass == 32 and known in ("aarch64", "x86_64") else known


def _texts(tables: Tables, tags: Sequence[tuple[int, int]], *kinds: int) -> tuple[str, ...]:
    return tuple(tables.text(value) for tag, value in tags if tag in kinds)


def _is_text_relocation(tag: int, value: int) -> bool:
    return tag == _DT_TEXTREL or (tag == _DT_FLAGS and bool(value & _DF_TEXTREL))


def _executable_stack(machine: str, segments: Sequence[Segment]) -> bool:
    stacks = [part for part in segments if part["p_type"] == "PT_GNU_STACK"]
    asked = any(part["p_flags"] & P_FLAGS.PF_X for part in stacks)
    return asked if stacks else machine in _STACK_BY_DEFAULT


def _takes_room(part: Segment) -> bool:
    return part["p_type"] == "PT_LOAD" and part["p_memsz"] > 0


def _alignment(part: Segment) -> int:
    """The largest page in which a segment's place in the file and in memory agree, and that it was aligned for."""
    bits: int = part["p_align"] | (part["p_vaddr"] - part["p_offset"])
    return max(1, bits & -bits)


def _highest(tables: Tables, symbols: Sequence[Symbol]) -> Iterator[SymbolVersion]:
    """The highest version of each family and library, with a symbol that needs it."""
    best: dict[tuple[str, str], tuple[SymbolVersion, int]] = {}
    for need in tables.needs():
        version = SymbolVersion(library=need.library, name=need.name, symbol="")
        key = (version.library, version.family)
        if key not in best or version.named[1] > best[key][0].named[1]:
            best[key] = (version, need.version)
    named = {symbol.version: symbol.name for symbol in symbols if not symbol.is_defined}
    for version, index in best.values():
        yield SymbolVersion(library=version.library, name=version.name, symbol=named.get(index, ""))
