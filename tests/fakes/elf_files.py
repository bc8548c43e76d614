"""Makes ELF files without a compiler: the tables that a loader reads, and no code. Source: System V ABI; LSB 5.0."""

from __future__ import annotations

import struct
from dataclasses import dataclass

AARCH64, X86_64, CUDA = 183, 62, 190
_LOAD, _DYNAMIC, _STACK = 1, 2, 0x6474E551
_SECTIONS = {".dynstr": 3, ".dynsym": 11, ".gnu.version": 0x6FFFFFFF, ".gnu.version_r": 0x6FFFFFFE, ".dynamic": 6}
_ENTRY_BYTES = {".dynsym": 24, ".gnu.version": 2, ".dynamic": 16}


@dataclass(frozen=True, kw_only=True)
class Library:
    """A shared library."""

    machine: int = AARCH64
    kind: int = 3
    """ET_DYN; 1 is ET_REL, an object file."""
    soname: str = ""
    needed: tuple[str, ...] = ()
    rpath: str = ""
    imports: tuple[str, ...] = ()
    """Symbols, or `symbol@library@version`; `?symbol` is weak, and a version that ends in `?` may be missing."""
    exports: tuple[str, ...] = ()
    stack_flags: int | None = 6
    alignment: int = 0x10000
    skew: int = 0
    """How far address and place in the file are apart."""
    text_relocations: bool = False

    def build(self) -> bytes:
        """The file."""
        return _Builder(self).build()


class _Builder:
    def __init__(self, library: Library) -> None:
        self.library = library
        self.strings = bytearray(b"\0")

    def text(self, name: str) -> int:
        self.strings += name.encode() + b"\0"
        return len(self.strings) - len(name.encode()) - 1

    def build(self) -> bytes:
        symbols, indices, versions = self.symbols()
        tags = self.tags()
        parts = {".dynstr": bytes(self.strings), ".dynsym": symbols, ".gnu.version": indices}
        parts |= {".gnu.version_r": versions, ".dynamic": tags}
        count = 2 if self.library.stack_flags is None else 3
        content = bytearray(64 + 56 * count)
        places = {}
        for name, data in parts.items():
            content += bytes(-len(content) % 8)
            places[name] = (len(content), len(data))
            content += data
        content += bytes(-len(content) % 8)
        headers = self.section_headers(places)
        struct.pack_into("<16sHHIQQQIHHHHHH", content, 0, *self.header(count, len(content), len(headers) // 64))
        content += headers
        self.segments(content, places[".dynamic"], len(content))
        return bytes(content)

    def header(self, segments: int, sections_at: int, sections: int) -> tuple[object, ...]:
        ident = b"\x7fELF\x02\x01\x01" + bytes(9)
        library = self.library
        return ident, library.kind, library.machine, 1, 0, 64, sections_at, 0, 64, 56, segments, 64, sections, 0

    def segments(self, content: bytearray, dynamic: tuple[int, int], size: int) -> None:
        library, at = self.library, 64
        rows = [(_LOAD, 5, 0, library.skew, size, library.alignment), (_DYNAMIC, 6, dynamic[0], 0, dynamic[1], 8)]
        if library.stack_flags is not None:
            rows.append((_STACK, library.stack_flags, 0, 0, 0, 16))
        for kind, flags, offset, skew, length, alignment in rows:
            address = offset + skew
            struct.pack_into("<IIQQQQQQ", content, at, kind, flags, offset, address, address, length, length, alignment)
            at += 56

    def section_headers(self, places: dict[str, tuple[int, int]]) -> bytes:
        headers = bytearray(64)
        for name, (offset, length) in places.items():
            link = 0 if name == ".dynstr" else 2 if name == ".gnu.version" else 1
            entry = _ENTRY_BYTES.get(name, 0)
            headers += struct.pack("<IIQQQQIIQQ", 0, _SECTIONS[name], 0, 0, offset, length, link, 0, 8, entry)
        return bytes(headers)

    def symbols(self) -> tuple[bytes, bytes, bytes]:
        """Tables of symbols, of the index of each one's version, and of versions."""
        rows, indices, needs = [bytes(24)], [0], {}
        for text in self.library.imports:
            symbol, _, version = text.partition("@")
            binding = 2 if symbol.startswith("?") else 1
            rows.append(struct.pack("<IBBHQQ", self.text(symbol.lstrip("?")), binding << 4 | 2, 0, 0, 0, 0))
            indices.append(needs.setdefault(version, len(needs) + 2) if version else 1)
        for symbol in self.library.exports:
            rows.append(struct.pack("<IBBHQQ", self.text(symbol), 1 << 4 | 2, 0, 5, 64, 0))
            indices.append(1)
        return b"".join(rows), struct.pack(f"<{len(indices)}H", *indices), self.versions(needs)

    def versions(self, needs: dict[str, int]) -> bytes:
        table = b""
        for number, (text, index) in enumerate(needs.items(), 1):
            library, _, version = text.partition("@")
            flags = 2 if version.endswith("?") else 0
            step = 32 if number < len(needs) else 0
            table += struct.pack("<HHIII", 1, 1, self.text(library), 16, step)
            table += struct.pack("<IHHII", 0, flags, index, self.text(version.rstrip("?")), 0)
        return table

    def tags(self) -> bytes:
        library = self.library
        tags = [(1, self.text(name)) for name in library.needed]
        tags += [(14, self.text(library.soname))] if library.soname else []
        tags += [(29, self.text(library.rpath))] if library.rpath else []
        tags += [(22, 0)] if library.text_relocations else []
        return b"".join(struct.pack("<qQ", *tag) for tag in [*tags, (0, 0)])
