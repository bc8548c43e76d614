"""Finds machine code for this machine in a build's output: the build has called another compiler than edgekit's.

A Makefile may name /usr/bin/gcc, and no PATH keeps it from that. Files for another machine that a package ships in its
sources are not meant: those were there before.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import stat
import zipfile
from collections.abc import Iterator
from pathlib import Path

from edgekit.errors import WheelError
from edgekit.host.wheel.check.elf import MAGIC, read_elf
from edgekit.host.wheel.check.symbols import Damaged
from edgekit.host.wheel.cross.sources import Source
from edgekit.trust import sha256_file

_HEADER_BYTES = 20
_ET_EXEC = 2
_TOOLS = frozenset({".eggs"})
"""Where setuptools puts packages of this machine that a build asks for by `setup_requires`."""
_COMPILER = re.compile(
    r"(?:^|[\s'\"=])((?:/usr)?(?:/local)?/s?bin/[\w.+-]*(?:gcc|g\+\+|cc|c\+\+|clang|tcc|rustc)[\w.+-]*)", re.M
)


def foreign_code(folder: Path, arch: str) -> frozenset[str]:
    """Digests of ELF files for other machines that the sources themselves contain."""
    return frozenset(sha256_file(path) for path, _ in _elf_files(folder, arch))


def check_machine_code(
    source: Source, made: tuple[Path, Path], shipped: frozenset[str], arch: str, output: str
) -> None:
    """Refuse a build that has compiled for this machine.

    Args:
        source: what was built, for the message.
        made: the folder that it was built in, and the wheel.
        shipped: see `foreign_code`, of the sources.
        arch: the target's architecture.
        output: of the build; the compiler's name is looked for in it.

    Raises:
        WheelError: the wheel, or an object file or library made on the way, is for another machine.
    """
    folder, wheel = made
    found = next(_in_wheel(wheel, shipped, arch), None) or next(_in_folder(folder, shipped, arch), None)
    if found is None:
        return
    path, machine = found
    called = _COMPILER.search(output)
    by = f"{called[1]}, a compiler of this machine" if called else "a compiler of this machine"
    raise WheelError(
        f"{source} does not build: {path} is for {machine}, not for the board: {by}, was called",
        hint="let the build take $CC and $CXX, or call `cc` or `gcc`; a file of a package that is not yours is written "
        f"anew by `files` in cross/packages/{source.name}.toml",
    )


def _in_wheel(wheel: Path, shipped: frozenset[str], arch: str) -> Iterator[tuple[str, str]]:
    with contextlib.suppress(zipfile.BadZipFile), zipfile.ZipFile(wheel) as archive:  # what is none is refused later
        for item in archive.infolist():
            with archive.open(item) as file:
                machine = _machine(file.read(_HEADER_BYTES), arch)
            if machine and hashlib.sha256(archive.read(item)).hexdigest() not in shipped:
                yield item.filename, machine


def _in_folder(folder: Path, shipped: frozenset[str], arch: str) -> Iterator[tuple[str, str]]:
    """Files meant to be linked or loaded; an executable may be a tool that the build uses itself."""
    for path, machine in _elf_files(folder, arch):
        if not _is_program(path) and sha256_file(path) not in shipped:
            yield path.relative_to(folder).as_posix(), machine


def _elf_files(folder: Path, arch: str) -> Iterator[tuple[Path, str]]:
    """ELF files for other machines, with the machine."""
    for parent, folders, names in os.walk(folder):
        folders[:] = sorted(set(folders) - _TOOLS)
        for path in (Path(parent, name) for name in sorted(names)):
            if stat.S_ISREG(path.lstat().st_mode):
                with path.open("rb") as file:
                    machine = _machine(file.read(_HEADER_BYTES), arch)
                if machine:
                    yield path, machine


def _machine(header: bytes, arch: str) -> str:
    """The machine that a file is for, where that is a CPU and not the target's; else empty. Source: ELF header."""
    machine = _CPUS.get(int.from_bytes(header[18:20], "little"), "")
    return machine if header.startswith(MAGIC) and machine != arch else ""


_CPUS = {3: "i686", 40: "armv7l", 62: "x86_64", 183: "aarch64", 243: "riscv64"}
"""Source: System V ABI, e_machine. Others are data to a CPU: kernels of a GPU, programs of the kernel's BPF."""


def _is_program(path: Path) -> bool:
    with path.open("rb") as file:
        if int.from_bytes(file.read(_HEADER_BYTES)[16:18], "little") == _ET_EXEC:
            return True
        try:
            return read_elf(file).is_program
        except Damaged:
            return False
