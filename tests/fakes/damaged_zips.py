"""Changes what a zip archive says of itself. Source: PKWARE's APPNOTE, 4.3.7, 4.3.12 and 4.3.16."""

from __future__ import annotations

import struct
import zipfile
import zlib
from pathlib import Path

_LOCAL, _CENTRAL, _END = b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06"


def understate(archive: Path, name: str, shown: bytes) -> None:
    """Say that a file is no more than `shown`, with size and checksum to match; its packed content stays."""
    content = bytearray(archive.read_bytes())
    with zipfile.ZipFile(archive) as opened:
        local = opened.getinfo(name).header_offset
    for at, checksum, size in ((local, 14, 22), (_central(content, name), 16, 24)):
        struct.pack_into("<I", content, at + checksum, zlib.crc32(shown))
        struct.pack_into("<I", content, at + size, len(shown))
    archive.write_bytes(content)


def share(archive: Path, name: str, times: int) -> None:
    """Add directory entries, with names of their own, that all lead to one file's content."""
    content = archive.read_bytes()
    at, end = _central(content, name), content.rindex(_END)
    length = 46 + sum(struct.unpack_from("<HHH", content, at + 28))
    entry = content[at : at + length]
    more = b"".join(entry.replace(name.encode(), f"{number:0{len(name)}}".encode()) for number in range(times))
    tail = bytearray(content[end:])
    total, size = struct.unpack_from("<H", tail, 10)[0], struct.unpack_from("<I", tail, 12)[0]
    struct.pack_into("<HHI", tail, 8, total + times, total + times, size + len(more))
    archive.write_bytes(content[:end] + more + tail)


def rename(archive: Path, name: str, other: str) -> None:
    """Give a file another name of the same length."""
    content = bytearray(archive.read_bytes())
    with zipfile.ZipFile(archive) as opened:
        local = opened.getinfo(name).header_offset
    for start in (local + 30, _central(content, name) + 46):
        content[start : start + len(name)] = other.encode()
    archive.write_bytes(content)


def encrypt(archive: Path, name: str) -> None:
    """Say that a file is encrypted."""
    content = bytearray(archive.read_bytes())
    with zipfile.ZipFile(archive) as opened:
        local = opened.getinfo(name).header_offset
    content[local + 6] |= 1
    content[_central(content, name) + 8] |= 1
    archive.write_bytes(content)


def spoil(archive: Path, name: str) -> None:
    """Put rubbish into a file's packed content."""
    content = bytearray(archive.read_bytes())
    with zipfile.ZipFile(archive) as opened:
        entry = opened.getinfo(name)
    start = entry.header_offset + 30 + len(name)
    content[start : start + entry.compress_size] = b"\xff" * entry.compress_size
    archive.write_bytes(content)


def _central(content: bytes | bytearray, name: str) -> int:
    """Where a file's entry of the directory begins."""
    found = bytes(content).find(_CENTRAL)
    while found >= 0:
        length = struct.unpack_from("<H", content, found + 28)[0]
        if bytes(content[found + 46 : found + 46 + length]) == name.encode():
            return found
        found = bytes(content).find(_CENTRAL, found + 4)
    raise KeyError(name)
