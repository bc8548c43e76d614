"""A toolchain is a folder of small programs named like a board's own compiler, with zig behind them.

    bin/    cc c++ ar ranlib strip pkg-config: what CC, CMake and meson are given
    path/   the names that build scripts call without asking (gcc, g++, cpp, aarch64-linux-gnu-gcc ...): first on PATH

It is named by its content and written once, so builds that run at the same time cannot disturb each other.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from edgekit.host.cache import Cache
from edgekit.host.wheel.cross.abi import Abi
from edgekit.host.wheel.cross.cpus import CpuLimits
from edgekit.host.wheel.cross.zig import Dropped, ZigData

_DRIVERS = {"cc": ("cc", "c"), "c++": ("c++", "c++")}
_NAMES = {
    "cc": ("cc", "gcc", "clang", "{multiarch}-gcc", "{multiarch}-cc"),
    "c++": ("c++", "g++", "clang++", "{multiarch}-g++", "{multiarch}-c++"),
    "ar": ("ar", "{multiarch}-ar"),
    "ranlib": ("ranlib", "{multiarch}-ranlib"),
    "strip": ("strip", "{multiarch}-strip"),
    "pkg-config": ("pkg-config", "pkgconf", "{multiarch}-pkg-config"),
}
_LONG_DOUBLE = {"aarch64": "IEEE_QUAD_LE", "x86_64": "INTEL_EXTENDED_16_BYTES_LE"}
"""Source: numpy's meson.build, `longdouble_format`."""
_VERSIONS = (("armv8-a", "v8a"), ("armv8.1-a", "v8_1a"), ("armv8.2-a", "v8_2a"))
"""GCC's names of the architecture's versions, and zig's."""
_ALLOW = "-Wl,--allow-shlib-undefined"
"""The C++ library may be of a newer distribution than the glibc that is linked for, and takes more of it than that has;
what the wheel itself takes is checked afterwards."""
_CPP = '#!/bin/sh\n[ $# = 0 ] && set -- -\nexec {bin}/cc -E -x c $CPPFLAGS "$@"\n'
_STRIP = """#!/bin/sh
# The linker strips already (LDFLAGS has -s), and this machine's strip does not know the board.
exit 0
"""
_FORTRAN = """#!/bin/sh
echo "edgekit: there is no Fortran compiler for the board" >&2
exit 1
"""
_FORTRAN_NAMES = ("gfortran", "f77", "f90", "f95", "flang", "{multiarch}-gfortran")
_PKG_CONFIG = """#!/bin/sh
# Answers from the sysroot alone; without one it knows no package.
usr=${{EDGEKIT_SYSROOT:-/nonexistent}}/usr
PKG_CONFIG_SYSROOT_DIR=$EDGEKIT_SYSROOT
PKG_CONFIG_LIBDIR=$usr/lib/{multiarch}/pkgconfig:$usr/share/pkgconfig
export PKG_CONFIG_SYSROOT_DIR PKG_CONFIG_LIBDIR
exec /usr/bin/pkg-config "$@"
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class CxxRuntime:
    """The board's own C++ library, unpacked: headers and libraries below `root`."""

    root: Path
    version: str
    """Major version of GCC: `12`."""
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Toolchain:
    """A C and C++ compiler for one ABI."""

    folder: Path
    zig: str
    """Version of zig."""
    runtime: str
    """`libstdc++ 12` of the board, or `libc++`, zig's own, linked in."""
    digest: str
    """Everything that its output depends on."""

    @property
    def bin(self) -> Path:
        """Folder of its programs."""
        return self.folder / "bin"

    @property
    def path(self) -> Path:
        """Folder to put first on PATH."""
        return self.folder / "path"


@dataclass(frozen=True, slots=True, kw_only=True)
class Compiler:
    """zig and its options."""

    program: Path
    version: str
    data: ZigData
    templates: Path
    """`cross/zig`."""
    limits: CpuLimits
    """What the target's cores can execute."""


def make_toolchain(abi: Abi, compiler: Compiler, runtime: CxxRuntime | None, cache: Cache) -> Toolchain:
    """Write the toolchain, or take it from the cache.

    Args:
        abi: what it compiles for.
        compiler: zig.
        runtime: the board's C++ library; None takes zig's own, linked in statically.
        cache: for toolchains.
    """
    templates = {name: (compiler.templates / name).read_text(encoding="utf-8") for name in _TEMPLATES}
    dropped = [[item.arch, item.patterns] for item in compiler.data.dropped]
    limits = [compiler.limits.version, compiler.limits.features]
    made_of: list[object] = [abi.triple, compiler.version, compiler.data.cpu, limits, dropped, templates]
    made_of += [_PKG_CONFIG, _FORTRAN]
    anywhere = dataclasses.replace(runtime, root=Path("/")) if runtime else None
    made_of += [runtime.digest if runtime else "", [_runtime_words(name, anywhere, abi) for name in _DRIVERS]]
    digest = _digest(made_of)
    paths = [str(compiler.program), str(runtime.root) if runtime else "", str(cache.folder), str(compiler.limits)]
    key = _digest([digest, *paths])[:16]
    folder = cache.path(key)
    cache.get(key, lambda made: _write(made, folder, abi, compiler, runtime), f"compiler for {abi}")
    name = f"libstdc++ {runtime.version}" if runtime else "libc++"
    return Toolchain(folder=folder, zig=compiler.version, runtime=name, digest=digest)


_TEMPLATES = ("driver.sh", "toolchain.cmake", "meson.cross", "config.site")


def _write(made: Path, folder: Path, abi: Abi, compiler: Compiler, runtime: CxxRuntime | None) -> None:
    """Fill `made`, which becomes `folder`."""
    (made / "bin").mkdir()
    (made / "path").mkdir()
    driver = (compiler.templates / "driver.sh").read_text(encoding="utf-8")
    words = _words(abi, compiler, folder)
    for name, (driver_name, language) in _DRIVERS.items():
        own = {"DRIVER": driver_name, "LANGUAGE": language, **_runtime_words(name, runtime, abi)}
        _program(made / "bin" / name, fill(driver, {**words, **own}))
    zig = shlex.quote(str(compiler.program))
    for name in ("ar", "ranlib"):
        _program(made / "bin" / name, f'#!/bin/sh\nexec {zig} {name} "$@"\n')
    _program(made / "bin" / "strip", _STRIP)
    _program(made / "bin" / "pkg-config", _PKG_CONFIG.format(multiarch=abi.multiarch))
    for program, names in _NAMES.items():
        for name in names:
            (made / "path" / name.format(multiarch=abi.multiarch)).symlink_to(f"../bin/{program}")
    _program(made / "path" / "cpp", _CPP.format(bin=shlex.quote(str(folder / "bin"))))
    for name in _FORTRAN_NAMES:
        _program(made / "path" / name.format(multiarch=abi.multiarch), _FORTRAN)
    for name in _TEMPLATES[1:]:
        text = (compiler.templates / name).read_text(encoding="utf-8")
        (made / name).write_text(fill(text, {**words, "PYTHON": "@PYTHON@"}), encoding="utf-8")


def _words(abi: Abi, compiler: Compiler, folder: Path) -> dict[str, str]:
    dropped = [_dropped(item) for item in compiler.data.dropped if item.arch in ("", abi.arch)]
    limits = compiler.limits
    return {
        "TRIPLE": abi.triple,
        "ARCH": abi.arch,
        "MULTIARCH": abi.multiarch,
        "BIN": str(folder / "bin"),
        "ZIG": shlex.quote(str(compiler.program)),
        "CPU": compiler.data.cpu if abi.arch == "aarch64" else "baseline",
        "DROPPED": "\n    ".join(dropped),
        "VERSIONS": " ".join(f"{gcc}) words=+{zig} ;;" for gcc, zig in _VERSIONS[: limits.version + 1]),
        "NEWEST": _VERSIONS[limits.version][1],
        "FEATURES": "\n      ".join(f"{gcc}) words=$words+{zig} ;;" for gcc, zig in limits.features) or ":) ;;",
        "CORES": str(limits),
        "LONG_DOUBLE": _LONG_DOUBLE[abi.arch],
    }


def _dropped(item: Dropped) -> str:
    """A line of the driver's `case`."""
    note = f'note "$whole" {shlex.quote(item.reason)}; ' if item.noted else ""
    return f"{'|'.join(item.patterns)}) {note}option=''; continue ;;"


def _runtime_words(driver: str, runtime: CxxRuntime | None, abi: Abi) -> dict[str, str]:
    """Template values that select the board's C++ library; with `-I`, as its headers use `#include_next`."""
    if runtime is None:
        return {"FLAGS": "", "LINK_RUNTIME": "", "MAP_LIBSTDCXX": "-static-libstdc++|-static-libgcc) continue ;;"}
    headers = runtime.root / "usr/include/c++" / runtime.version
    own = runtime.root / "usr/include" / abi.multiarch / "c++" / runtime.version
    library = shlex.quote(str(runtime.root / "usr/lib" / abi.multiarch / "libstdc++.so.6"))
    unwinder = shlex.quote(str(runtime.root / "lib" / abi.multiarch / "libgcc_s.so.1"))
    mapped = {"MAP_LIBSTDCXX": f'-lstdc++) set -- "$@" {_ALLOW} {library}; continue ;;'}
    if driver == "cc":
        return {"FLAGS": "", "LINK_RUNTIME": "", **mapped}
    return {
        "FLAGS": f"-nostdinc++ -nostdlib++ -I{shlex.quote(str(headers))} -I{shlex.quote(str(own))}",
        "LINK_RUNTIME": f'[ -n "$link" ] && set -- "$@" {_ALLOW} ${{language:+-x none}} {library} {unwinder}',
        **mapped,
    }


def _digest(made_of: list[object]) -> str:
    return hashlib.sha256(json.dumps(made_of).encode()).hexdigest()


def fill(text: str, words: Mapping[str, str]) -> str:
    """Put words into a template's `@NAME@` places; a name without a word is a mistake in the template."""
    return re.sub(r"@([A-Z_]+)@", lambda found: words[found[1]], text)


def _program(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
    path.chmod(0o755)
