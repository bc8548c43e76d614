"""Reads the tables of an ELF file that its loader reads: dynamic tags, symbols, versions.

pyelftools finds the tables. It reads them entry by entry through a parser of parsers, which takes seconds for a folder
of packages, and follows lengths that a damaged file states; here a table ends where its section does.
Source: System V ABI, Dynamic Linking; LSB 5.0, Symbol Versioning.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from elftools.elf.elffile import ELFFile
from elftools.elf.sections import Section

_SYMBOL = struct.Struct("<IBBHQQ")
_TAG = struct.Struct("<qQ")
_NEED = struct.Struct("<HHIII")
_NEED_ENTRY = struct.Struct("<IHHII")
_WEAK_SYMBOL = 2
_WEAK_VERSION = 0x2
_VERSION_MASK = 0x7FFF
"""The bit above it hides the symbol."""
_SECTION_BYTES = 64
_SEGMENT_BYTES = 56


class Damaged(Exception):
    """The file is truncated or malformed."""


class Symbol(NamedTuple):
    """A dynamic symbol."""

    name: str
    is_defined: bool
    is_weak: bool
    version: int
    """Index of its version."""


class NeededVersion(NamedTuple):
    """A version that a library must have."""

    library: str
    name: str
    version: int
    """Its index: `Symbol.version`."""


class Tables:
    """The tables of one 64-bit little-endian file.

    Raises:
        Damaged: from any method: a table lies outside of the file.
    """

    def __init__(self, elf: ELFFile, file: BinaryIO, size: int) -> None:
        self._file = file
        self._size = size
        _check_headers(elf, size)
        self.sections: dict[str, Section] = {}
        for section in elf.iter_sections():
            self.sections.setdefault(str(section["sh_type"]), section)
        self._elf = elf

    def tags(self) -> list[tuple[int, int]]:
        """Dynamic tags and their values, up to the one that ends them."""
        found: list[tuple[int, int]] = []
        for tag, value in _TAG.iter_unpack(self._whole("SHT_DYNAMIC", _TAG.size)):
            if tag == 0:
                break
            found.append((tag, value))
        return found

    def text(self, offset: int) -> str:
        """A text that a dynamic tag points to."""
        return _text(self._strings("SHT_DYNAMIC"), offset)

    def symbols(self) -> Iterator[Symbol]:
        """All dynamic symbols."""
        strings = self._strings("SHT_DYNSYM")
        data = self._whole("SHT_DYNSYM", _SYMBOL.size)
        versions = self._read("SHT_GNU_versym")
        count = len(versions) // 2
        indices = struct.unpack(f"<{count}H", versions[: count * 2])
        for number, (name, info, _, section, _, _) in enumerate(_SYMBOL.iter_unpack(data)):
            version = indices[number] & _VERSION_MASK if number < count else 0
            yield Symbol(_text(strings, name), section != 0, info >> 4 == _WEAK_SYMBOL, version)

    def needs(self) -> Iterator[NeededVersion]:
        """Versions that the file requires; weak ones are left out. Source: glibc, elf/dl-version.c."""
        data, strings = self._read("SHT_GNU_verneed"), self._strings("SHT_GNU_verneed")
        at = 0
        while data:
            _, count, library, entries, step = _unpack(_NEED, data, at)
            entry = at + entries
            for _ in range(count):
                _, flags, index, name, entry_step = _unpack(_NEED_ENTRY, data, entry)
                if not flags & _WEAK_VERSION:
                    yield NeededVersion(_text(strings, library), _text(strings, name), index & _VERSION_MASK)
                if not entry_step:
                    break
                entry += entry_step
            if not step:
                break
            at += step

    def _read(self, kind: str) -> bytes:
        """A section's bytes; empty where there is none."""
        return self._bytes(self.sections[kind]) if kind in self.sections else b""

    def _whole(self, kind: str, entry_bytes: int) -> bytes:
        """A section's bytes, as many as make whole entries."""
        data = self._read(kind)
        return data[: len(data) // entry_bytes * entry_bytes]

    def _strings(self, kind: str) -> bytes:
        """The texts that a section refers to."""
        section = self.sections.get(kind)
        return self._bytes(self._elf.get_section(section["sh_link"])) if section else b""

    def _bytes(self, section: Section) -> bytes:
        start, length = section["sh_offset"], section["sh_size"]
        if start + length > self._size:
            raise Damaged(f"{section.name} ends beyond the end of the file")
        self._file.seek(start)
        return self._file.read(length)


def _check_headers(elf: ELFFile, size: int) -> None:
    """The tables of sections and segments, and what is loaded, lie in the file."""
    if elf["e_shnum"] and elf["e_shentsize"] != _SECTION_BYTES:
        raise Damaged("its section headers have an unknown size")
    if elf["e_phnum"] and elf["e_phentsize"] != _SEGMENT_BYTES:
        raise Damaged("its program headers have an unknown size")
    end = max(
        elf["e_shoff"] + elf.num_sections() * _SECTION_BYTES if elf["e_shoff"] else 0,
        elf["e_phoff"] + elf.num_segments() * _SEGMENT_BYTES,
    )
    if end <= size:
        end = max((part["p_offset"] + part["p_filesz"] for part in elf.iter_segments()), default=0)
    if end > size:
        raise Damaged(f"it ends after {size} of at least {end} bytes")


def _unpack(layout: struct.Struct, data: bytes, at: int) -> tuple[int, ...]:
    try:
        return layout.unpack_from(data, at)
    except struct.error:
        raise Damaged("its table of versions leads beyond its end") from None


def _text(strings: bytes, start: int) -> str:
    end = strings.find(b"\0", start)
    if start >= len(strings) or end < 0:
        raise Damaged("a name lies beyond its table")
    return strings[start:end].decode(errors="replace")
