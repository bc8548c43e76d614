"""Makes wheels, right ones and wrong ones, around small libraries that zig compiles."""

from __future__ import annotations

import base64
import hashlib
import os
import struct
import subprocess
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

MODULE = "part/_part.cpython-311-aarch64-linux-gnu.so"
TAG = "cp311-cp311-manylinux_2_34_aarch64"
PLAIN = "int part(void) { return 1; }\n"


@dataclass(frozen=True)
class Compiler:
    """zig, for any target."""

    program: Path
    cache: Path

    def library(self, out: Path, source: str, *flags: str, target: str = "aarch64-linux-gnu.2.36") -> bytes:
        """Compile C text to a shared library."""
        file = out / "part.c"
        file.write_text(source)
        made = out / "part.so"
        argv = [
            str(self.program),
            "cc",
            "-target",
            target,
            "-shared",
            "-fPIC",
            "-s",
            *flags,
            "-o",
            str(made),
            str(file),
        ]
        env = {"ZIG_GLOBAL_CACHE_DIR": str(self.cache), "ZIG_LOCAL_CACHE_DIR": str(self.cache), "HOME": str(out)}
        subprocess.run(argv, check=True, capture_output=True, env={**os.environ, **env}, timeout=300)
        return made.read_bytes()


def write_wheel(folder: Path, files: Mapping[str, bytes], tag: str = TAG, record: str | None = None) -> Path:
    """A wheel named part 1.0 with these files, and RECORD as it should be unless given."""
    info = "part-1.0.dist-info"
    contents = {
        **files,
        f"{info}/METADATA": b"Metadata-Version: 2.1\nName: part\nVersion: 1.0\n",
        f"{info}/WHEEL": f"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: false\nTag: {tag}\n".encode(),
    }
    lines = "".join(f"{path},sha256={_digest(content)},{len(content)}\n" for path, content in contents.items())
    contents[f"{info}/RECORD"] = (lines + f"{info}/RECORD,,\n" if record is None else record).encode()
    wheel = folder / f"part-1.0-{tag}.whl"
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, content in contents.items():
            archive.writestr(path, content)
    return wheel


def _digest(content: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()


def with_alignment(library: bytes, alignment: int) -> bytes:
    """The same library, its loaded segments aligned to less. Source: ELF-64, program header, p_align."""
    changed = bytearray(library)
    for at in _program_headers(library):
        if struct.unpack_from("<I", changed, at)[0] == 1:  # PT_LOAD
            struct.pack_into("<Q", changed, at + 48, alignment)
    return bytes(changed)


def with_executable_stack(library: bytes) -> bytes:
    """The same library, asking for an executable stack. Source: ELF-64, p_flags of PT_GNU_STACK."""
    changed = bytearray(library)
    for at in _program_headers(library):
        if struct.unpack_from("<I", changed, at)[0] == 0x6474E551:
            struct.pack_into("<I", changed, at + 4, 7)
    return bytes(changed)


def _program_headers(library: bytes) -> range:
    start, size, count = struct.unpack_from("<Q", library, 32)[0], *struct.unpack_from("<HH", library, 54)
    return range(start, start + size * count, size)
