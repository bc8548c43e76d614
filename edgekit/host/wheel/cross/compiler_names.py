"""Shadows the names of this machine's compilers on a build's PATH with the cross compiler.

A Makefile that says gcc-12 or x86_64-linux-gnu-gcc means a compiler; which versions of it a machine has differs.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from edgekit.host.wheel.cross.toolchain import Toolchain

_VERSION = r"(?:-[\d.]+)?"
_KINDS = {
    "cc": rf"(?:gcc|cc|clang|tcc|icx|icc){_VERSION}",
    "c++": rf"(?:g\+\+|c\+\+|clang\+\+|icpx|icpc){_VERSION}",
    "cpp": rf"(?:cpp|clang-cpp){_VERSION}",
    "gfortran": rf"(?:gfortran|flang(?:-new)?|f77|f90|f95|ifort|ifx){_VERSION}",
}


def shadow_compilers(toolchain: Toolchain, folder: Path, system_path: str) -> None:
    """Fill a folder for the front of PATH: every name of a compiler of this machine, linked to the cross compiler.

    Args:
        toolchain: the board's.
        folder: made here.
        system_path: the folders of this machine, as in PATH.
    """
    folder.mkdir(parents=True)
    machine = re.escape(os.uname().machine)
    patterns = {kind: re.compile(rf"(?:{machine}[\w-]*-)?{names}") for kind, names in _KINDS.items()}
    for place in map(Path, system_path.split(":")):
        for name in (file.name for file in place.iterdir()) if place.is_dir() else ():
            kind = next((kind for kind, pattern in patterns.items() if pattern.fullmatch(name)), None)
            if kind and not (folder / name).is_symlink():
                (folder / name).symlink_to(toolchain.path / kind)
