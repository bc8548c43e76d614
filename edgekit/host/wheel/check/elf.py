"""What one ELF file asks of the system that loads it. Source: System V ABI; LSB 5.0, Symbol Versioning."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from elftools.elf.constants import P_FLAGS
from elftools.elf.dynamic import DynamicSection, DynamicTag
from elftools.elf.elffile import ELFFile
from elftools.elf.gnuversions import GNUVerNeedSection, GNUVerSymSection
from elftools.elf.sections import SymbolTableSection

from edgekit.schema.units import version_tuple

MAGIC = b"\x7fELF"
_MACHINES = {"EM_AARCH64": "aarch64", "EM_X86_64": "x86_64", "EM_386": "i686", "EM_ARM": "armv7l"}
_LOADED = ("ET_DYN", "ET_EXEC")
_DF_TEXTREL = 0x4
_LOCAL_VERSIONS = 2
"""Indices below it are no versions: VER_NDX_LOCAL and VER_NDX_GLOBAL."""


class Damaged(Exception):
    """The file is cut off or makes no sense."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
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
        """`(2, 38)`; empty for a version that is none, such as GLIBC_PRIVATE."""
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
    """One file."""

    machine: str
    """`aarch64`; of unknown ones the ELF name."""
    is_loaded: bool
    """A library or a program, not an object file."""
    is_program: bool
    """It asks for a dynamic loader of its own."""
    soname: str
    needed: tuple[str, ...]
    rpaths: tuple[str, ...]
    """Of DT_RPATH and DT_RUNPATH, split at colons."""
    versions: tuple[Version, ...]
    """The highest of each family and library."""
    executable_stack: bool
    text_relocations: bool
    alignment_bytes: int
    """The smallest alignment of its loaded segments; 0 where nothing is loaded."""
    python_symbols: frozenset[str]
    """Names that it expects of the Python that loads it."""


def read_elf(content: bytes) -> ElfFacts:
    """Read a file.

    Raises:
        Damaged: it is cut off, or no ELF file.
    """
    try:
        elf = ELFFile(io.BytesIO(content))
        _check_whole(elf, len(content))
        return _facts(elf)
    except Damaged:
        raise
    except Exception as error:  # pyelftools fails in any way that rubbish can make it
        raise Damaged(str(error) or type(error).__name__) from None


def _check_whole(elf: ELFFile, size: int) -> None:
    tables_end = elf["e_shoff"] + elf["e_shnum"] * elf["e_shentsize"]
    ends = [segment["p_offset"] + segment["p_filesz"] for segment in elf.iter_segments()]
    end = max([tables_end, *ends])
    if end > size:
        raise Damaged(f"it ends after {size} of at least {end} bytes")


def _facts(elf: ELFFile) -> ElfFacts:
    loads = [segment for segment in elf.iter_segments() if segment["p_type"] == "PT_LOAD"]
    kinds = {segment["p_type"] for segment in elf.iter_segments()}
    tags = [
        tag for section in elf.iter_sections() if isinstance(section, DynamicSection) for tag in section.iter_tags()
    ]
    machine = str(elf["e_machine"])
    return ElfFacts(
        machine=_MACHINES.get(machine, machine),
        is_loaded=elf["e_type"] in _LOADED,
        is_program="PT_INTERP" in kinds,
        soname=next(iter(_texts(tags, "DT_SONAME", "soname")), ""),
        needed=_texts(tags, "DT_NEEDED", "needed"),
        rpaths=tuple(
            path
            for text in (*_texts(tags, "DT_RPATH", "rpath"), *_texts(tags, "DT_RUNPATH", "runpath"))
            for path in text.split(":")
            if path
        ),
        versions=tuple(_highest(elf)),
        executable_stack=_executable_stack(elf),
        text_relocations=any(
            tag.entry.d_tag == "DT_TEXTREL" or (tag.entry.d_tag == "DT_FLAGS" and tag.entry.d_val & _DF_TEXTREL)
            for tag in tags
        ),
        alignment_bytes=min((segment["p_align"] for segment in loads), default=0),
        python_symbols=frozenset(name for name in _undefined(elf) if name.startswith(("Py", "_Py"))),
    )


def _texts(tags: Sequence[DynamicTag], kind: str, attribute: str) -> tuple[str, ...]:
    """The texts of all tags of a kind; pyelftools hangs them to the tags under names of their own."""
    return tuple(str(getattr(tag, attribute)) for tag in tags if tag.entry.d_tag == kind)


def _executable_stack(elf: ELFFile) -> bool:
    """Whether it wants executable stacks. On arm64 a file that does not say wants none.

    Source: glibc, sysdeps/aarch64/stackinfo.h, DEFAULT_STACK_PERMS.
    """
    stacks = [segment for segment in elf.iter_segments() if segment["p_type"] == "PT_GNU_STACK"]
    return any(segment["p_flags"] & P_FLAGS.PF_X for segment in stacks)


def _highest(elf: ELFFile) -> Iterator[Version]:
    """The highest version of each family and library, with a symbol that needs it."""
    best: dict[tuple[str, str], tuple[Version, int]] = {}
    for section in elf.iter_sections():
        if not isinstance(section, GNUVerNeedSection):
            continue
        for library, needed in section.iter_versions():
            for entry in needed:
                version = Version(library=str(library.name), name=str(entry.name), symbol="")
                key = (version.library, version.family)
                if key not in best or version.named[1] > best[key][0].named[1]:
                    best[key] = (version, entry["vna_other"])
    symbols = _symbols_by_version(elf, {index for _, index in best.values()})
    for version, index in best.values():
        yield Version(library=version.library, name=version.name, symbol=symbols.get(index, ""))


def _symbols_by_version(elf: ELFFile, wanted: set[int]) -> dict[int, str]:
    """One undefined symbol for each of some version indices."""
    found: dict[int, str] = {}
    section = next((part for part in elf.iter_sections() if isinstance(part, GNUVerSymSection)), None)
    if section is None or not wanted:
        return found
    for symbol in section.iter_symbols():
        index = symbol["ndx"]
        if isinstance(index, int) and index >= _LOCAL_VERSIONS and index in wanted and index not in found:
            found[index] = symbol.name
    return found


def _undefined(elf: ELFFile) -> Iterator[str]:
    table = elf.get_section_by_name(".dynsym")
    if isinstance(table, SymbolTableSection):
        for symbol in table.iter_symbols():
            if symbol["st_shndx"] == "SHN_UNDEF":
                yield symbol.name
