"""The environment variables of a build: isolated from the user's, with the cross compiler first on PATH.

Nothing of the user's environment is handed on, so that it cannot change a wheel: no CFLAGS, no PYTHONPATH, no PATH.
"""

from __future__ import annotations

import hashlib
import json
import pprint
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path

from edgekit.host.wheel.cross.abi import Abi
from edgekit.host.wheel.cross.headers import TargetPython
from edgekit.host.wheel.cross.toolchain import Toolchain, fill
from edgekit.host.wheel.interpreter import Interpreter

SOURCE_DATE_EPOCH = "315532800"
"""1980-01-01, the first day that a zip file can name. Source: reproducible-builds.org, SOURCE_DATE_EPOCH."""
SYSTEM_PATH = "/usr/local/bin:/usr/bin:/bin"
OBJECTS, LIBRARIES = "objects", "libraries"
"""Folder of a build with what zig makes of the package, and in it a copy of zig's own libraries. Neither is kept: zig
believes whatever object it finds."""
COMPILERS = "compilers"
"""Folder of a build with the names of this machine's compilers: see `compiler_names`."""
_FLAGS = "-fwrapv -DNDEBUG -g0"
_OPTIMISED = f"{_FLAGS} -O2"
_EMPTY = (
    *("CFLAGS", "PY_CFLAGS", "OPT", "CXXFLAGS", "CPPFLAGS", "BASECFLAGS", "LDFLAGS", "PY_LDFLAGS"),
    *("CONFIGURE_CFLAGS", "CONFIGURE_LDFLAGS", "PY_CORE_CFLAGS", "PY_CORE_LDFLAGS", "CCSHARED", "LINKFORSHARED"),
)
"""Build variables that are left empty: flags come from the environment alone, because setuptools' versions differ in
which of the two wins. Source: pypa/setuptools#4836."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Workshop:
    """What all builds for one ABI share."""

    abi: Abi
    toolchain: Toolchain
    python: TargetPython
    interpreter: Interpreter
    cache: Path
    """Everything that compilers read or write lies below it."""
    jobs: int
    """How many files to compile at once."""
    install: Callable[[], object] = lambda: None
    """Has the compiler fetched and checked, before it is first called: a wheel from the cache takes none."""
    readable: tuple[Path, ...] = ()
    """What builds read: compiler, headers, the interpreter."""

    @property
    def libraries(self) -> Path:
        """Folder of the cache for zig's own libraries. Only edgekit's own code is compiled there: builds get a copy."""
        return self.cache / "libraries"


@dataclass(frozen=True, slots=True, kw_only=True)
class Extras:
    """What one package needs beyond that."""

    requirements: tuple[str, ...] = ()
    """Further build requirements."""
    environment: Mapping[str, str] = field(default_factory=dict)
    config_settings: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    """Files to write into the sources: text by relative path."""
    sysroot: Path | None = None
    """The board's libraries and their headers, as far as they are needed."""
    sysroot_packages: tuple[str, ...] = ()
    """What it was unpacked from: names and versions."""
    on_board: tuple[str, ...] = ()
    """Libraries that the board has, though its target does not say so."""
    readable: tuple[Path, ...] = ()
    """Folders that the build reads."""
    digest: str = ""
    """Everything above that can change the wheel, but for paths of the cache."""


def making_digest() -> str:
    """Digest of what edgekit itself adds to every build: flags and the shim; part of every wheel's cache key."""
    folder = resources.files("edgekit.host.wheel.cross.shim")
    shim = [folder.joinpath(name).read_text(encoding="utf-8") for name in ("edgekit_shim.py", "stubgen.py")]
    return hashlib.sha256(f"{_OPTIMISED} {_EMPTY} {SOURCE_DATE_EPOCH} {shim}".encode()).hexdigest()


def plain_environment(venv: Path, work: Path) -> dict[str, str]:
    """Environment for the front end and build requirements: this machine."""
    return {
        "PATH": f"{venv}/bin:{SYSTEM_PATH}",
        "HOME": str(work / "home"),
        "LANG": "C.UTF-8",
        "PYTHONHASHSEED": "0",
        "SOURCE_DATE_EPOCH": SOURCE_DATE_EPOCH,
        "VIRTUAL_ENV": str(venv),
    }


def cross_environment(shop: Workshop, extras: Extras, venv: Path, work: Path, *, optimise: bool) -> dict[str, str]:
    """Environment for the back end: cross-compiling for the board.

    Args:
        shop: compiler and headers.
        extras: what the package adds; it wins.
        venv: the build's virtual environment.
        work: the build's folder.
        optimise: whether flags ask for optimisation; meson has its own opinion, and flags would come after it.
    """
    tools, abi = shop.toolchain.bin, shop.abi
    flags = _OPTIMISED if optimise else _FLAGS
    include = f"-I{extras.sysroot}/usr/include -I{extras.sysroot}/usr/include/{abi.multiarch}" if extras.sysroot else ""
    search = f"-L{extras.sysroot}/usr/lib/{abi.multiarch}" if extras.sysroot else ""
    crossing = {
        "PATH": f"{venv}/bin:{shop.toolchain.path}:{work}/{COMPILERS}:{SYSTEM_PATH}",
        "EDGEKIT_PYTHON": str(shop.python.folder),
        "EDGEKIT_MULTIARCH": abi.multiarch,
        "EDGEKIT_GLIBC": abi.glibc,
        "EDGEKIT_JOBS": str(shop.jobs),
        "EDGEKIT_SYSROOT": str(extras.sysroot or ""),
        "EDGEKIT_HOST_PREFIX": str(shop.interpreter.prefix),
        "EDGEKIT_CACHE": str(shop.cache),
        "_PYTHON_HOST_PLATFORM": f"linux-{abi.arch}",
        **{name: f"{tools}/{tool}" for name, tool in _TOOLS.items()},
        "LDSHARED": f"{tools}/cc -shared",
        "LDCXXSHARED": f"{tools}/c++ -shared",
        "CFLAGS": flags,
        "CXXFLAGS": flags,
        "CPPFLAGS": include,
        "LDFLAGS": f"-s {search}".strip(),
        "CONFIG_SITE": str(shop.toolchain.folder / "config.site"),
        "CMAKE_TOOLCHAIN_FILE": str(shop.toolchain.folder / "toolchain.cmake"),
        "CMAKE_BUILD_PARALLEL_LEVEL": str(shop.jobs),
        **zig_caches(work / OBJECTS / LIBRARIES, work / OBJECTS),
    }
    return {**plain_environment(venv, work), **crossing, **extras.environment}


def zig_caches(libraries: Path, objects: Path) -> dict[str, str]:
    """Where zig keeps what it compiled: its own libraries for a target, and objects."""
    return {"ZIG_GLOBAL_CACHE_DIR": str(libraries), "ZIG_LOCAL_CACHE_DIR": str(objects)}


_TOOLS = {"CC": "cc", "CXX": "c++", "AR": "ar", "RANLIB": "ranlib", "STRIP": "strip", "PKG_CONFIG": "pkg-config"}


def install_shim(shop: Workshop, venv: Path) -> None:
    """Install the shim, which makes sysconfig, os and platform describe the board, into the virtual environment."""
    site = next(venv.glob("lib/python*/site-packages"))
    shim = resources.files("edgekit.host.wheel.cross.shim")
    for name in ("edgekit_shim.py", "edgekit_shim.pth"):
        (site / name).write_bytes(shim.joinpath(name).read_bytes())
    stubgen = site / "nanobind" / "stubgen.py"
    if stubgen.is_file():
        stubgen.unlink()  # whoever links it keeps theirs
        stubgen.write_bytes(shim.joinpath("stubgen.py").read_bytes())
    variables = json.loads((shop.python.folder / "sysconfig.json").read_text(encoding="utf-8"))
    tools, abi, folder = shop.toolchain.bin, shop.abi, shop.python.folder
    include = str(shop.python.include(abi.python))
    variables |= dict.fromkeys(_EMPTY, "")
    variables |= dict.fromkeys(("CC", "LINKCC", "MAINCC"), f"{tools}/cc")
    variables |= dict.fromkeys(("LDSHARED", "BLDSHARED"), f"{tools}/cc -shared")
    variables |= dict.fromkeys(("INCLUDEPY", "CONFINCLUDEPY"), include)
    variables |= dict.fromkeys(("LIBDIR", "LIBPL"), f"{folder}/lib")
    variables |= dict.fromkeys(("prefix", "exec_prefix"), str(folder))
    variables |= {
        "CXX": f"{tools}/c++",
        "LDCXXSHARED": f"{tools}/c++ -shared",
        "AR": f"{tools}/ar",
        "ARFLAGS": "rcs",
        "RANLIB": f"{tools}/ranlib",
        "INCLUDEDIR": f"{folder}/include",
        "MULTIARCH": abi.multiarch,
        "SOABI": abi.soabi,
        "EXT_SUFFIX": f".{abi.soabi}.so",
        "Py_ENABLE_SHARED": 0,
    }
    text = "build_time_vars = " + pprint.pformat(variables) + "\n"
    (site / "_edgekit_sysconfigdata.py").write_text(text, encoding="utf-8")


def write_meson_file(shop: Workshop, venv: Path, work: Path) -> Path:
    """meson's cross file for a build: it names the build's own interpreter."""
    text = (shop.toolchain.folder / "meson.cross").read_text(encoding="utf-8")
    file = work / "meson.cross"
    file.write_text(fill(text, {"PYTHON": f"{venv}/bin/python"}), encoding="utf-8")
    return file
