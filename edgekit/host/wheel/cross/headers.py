"""Headers and build variables of the target's Python: from its distribution's packages, or from this machine's Python.

Where a board was probed that has its Python's headers, its own pyconfig.h counts.

CPython's headers are the same on x86-64 and arm64 Linux but for `pyconfig.h`, and there, beside options of `configure`,
only what `_PLATFORM` names differs. Source: CPython, configure.ac (HAVE_GCC_ASM_FOR_X64, HAVE_GCC_ASM_FOR_X87,
HAVE_USABLE_WCHAR_T: wchar_t is unsigned on arm64).
"""

from __future__ import annotations

import hashlib
import json
import re
import runpy
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgekit.errors import WheelError
from edgekit.executor import Executor
from edgekit.host.cache import Cache
from edgekit.host.preflight import Need, command_for, python_package
from edgekit.host.wheel.cross.abi import Abi
from edgekit.host.wheel.interpreter import Interpreter

_LAYOUT = 1
_TIMEOUT_S = 60.0
_ASK = "import json, sysconfig; print(json.dumps(sysconfig.get_config_vars()))"
_PLATFORM = ("HAVE_GCC_ASM_FOR_X64", "HAVE_GCC_ASM_FOR_X87")
_NOT_IN_ZIG = ("HAVE_CRYPT_H", "HAVE_CRYPT_R")
"""Python.h up to 3.10 includes crypt.h, which zig's libc headers lack; nothing in the headers needs it."""
_OF_THE_RUN = frozenset(
    {"base", "platbase", "installed_base", "installed_platbase", "projectbase", "userbase", "srcdir", "abiflags"}
    | {"py_version", "py_version_short", "py_version_nodot", "py_version_nodot_plat", "platlibdir"}
)
"""What sysconfig adds for the running interpreter."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetPython:
    """A Python's headers and build variables, for compiling extension modules."""

    folder: Path
    """Holds `include/python3.N` and `sysconfig.json`."""
    origin: str
    """Where the headers are from, for people and for the SBOM."""
    digest: str

    def include(self, minor: str) -> Path:
        """The folder of Python.h."""
        return self.folder / "include" / f"python{minor}"


@dataclass(frozen=True, slots=True, kw_only=True)
class DebianHeaders:
    """Unpacked packages that hold a Python's headers and build variables."""

    root: Path
    digest: str
    set: str


def headers_from_debian(abi: Abi, debian: DebianHeaders, cache: Cache) -> TargetPython:
    """The headers in a distribution's own packages."""

    def fill(folder: Path) -> None:
        include = folder / "include" / f"python{abi.python}"
        shutil.copytree(debian.root / f"usr/include/python{abi.python}", include)
        # The packaged pyconfig.h only forwards to one for each architecture.
        own = debian.root / "usr/include" / abi.multiarch / f"python{abi.python}" / "pyconfig.h"
        shutil.copyfile(own, include / "pyconfig.h")
        modules = sorted((debian.root / f"usr/lib/python{abi.python}").glob(f"_sysconfigdata_*{abi.multiarch}.py"))
        variables: dict[str, Any] = runpy.run_path(str(next(path for path in modules if not path.is_symlink())))
        _finish(folder, abi, variables["build_time_vars"])

    digest = hashlib.sha256(json.dumps([_LAYOUT, debian.digest, str(abi)]).encode()).hexdigest()
    folder = cache.get(digest[:16], fill, f"headers of Python {abi.python}").folder
    return TargetPython(folder=folder, origin=f"Debian's arm64 packages, set {debian.set}", digest=digest)


def headers_from_here(
    abi: Abi, interpreter: Interpreter, cache: Cache, executor: Executor, pyconfig: str = ""
) -> TargetPython:
    """The headers of this machine's Python of the same minor version, adapted to the target.

    Args:
        abi: the target's.
        interpreter: this machine's Python.
        cache: for headers.
        executor: this machine.
        pyconfig: the board's own pyconfig.h, where a probe has read it.

    Raises:
        WheelError: that Python came without its headers.
    """
    done = executor.run([str(interpreter.path), "-I", "-c", _ASK], timeout_s=_TIMEOUT_S)
    variables = json.loads(done.text)
    source = Path(variables["INCLUDEPY"])
    here = str(variables["MULTIARCH"]).split("-", maxsplit=1)[0]
    try:
        own = pyconfig or pyconfig_for(abi, source, here)
        names = sorted(path for path in source.rglob("*.h") if path.is_file())
        texts = [[path.relative_to(source).as_posix(), hashlib.sha256(path.read_bytes()).hexdigest()] for path in names]
    except OSError as error:
        raise WheelError(
            f"{interpreter.path} came without its headers, which building for Python {abi.python} takes: "
            f"{error.filename} is not there",
            hint=command_for([python_package(interpreter.path, abi.python, "dev")]),
        ) from None
    digest = hashlib.sha256(json.dumps([_LAYOUT, texts, str(abi), own]).encode()).hexdigest()

    def fill(folder: Path) -> None:
        include = folder / "include" / f"python{abi.python}"
        shutil.copytree(source, include)
        (include / "pyconfig.h").write_text(own, encoding="utf-8")
        text = json.dumps({name: value for name, value in variables.items() if name not in _OF_THE_RUN})
        _finish(folder, abi, json.loads(text.replace(here, abi.arch)))

    folder = cache.get(digest[:16], fill, f"headers of Python {abi.python}").folder
    origin = f"CPython {interpreter.version} of this machine" + (", pyconfig.h of a board" if pyconfig else "")
    return TargetPython(folder=folder, origin=origin, digest=digest)


def headers_need(interpreter: Interpreter, minor: str, executor: Executor) -> Need:
    """What building with this machine's headers needs installed, to be checked before a job starts."""
    done = executor.run([str(interpreter.path), "-I", "-c", _ASK], timeout_s=_TIMEOUT_S)
    header = Path(json.loads(done.text)["INCLUDEPY"], "Python.h")
    return Need(package=python_package(interpreter.path, minor, "dev"), files=(str(header),))


def pyconfig_for(abi: Abi, include: Path, here: str) -> str:
    """Derive the target's pyconfig.h from a folder of this machine's headers.

    Debian's and Ubuntu's only forwards to one for each architecture, which lies beside the folder: the target's own
    counts where it is installed, else this machine's, turned.

    Args:
        abi: the target's.
        include: holds Python.h.
        here: this machine's architecture.

    Raises:
        OSError: the headers are not there, or not whole; its file name is what is missing.
    """
    (include / "Python.h").stat()
    text = (include / "pyconfig.h").read_text(encoding="utf-8")
    if "SIZEOF_VOID_P" not in text:
        arch = abi.arch if _beside(include, abi.arch).is_file() else here
        text = _beside(include, arch).read_text(encoding="utf-8")
        here = arch
    return text if here == abi.arch else _turn(text, abi)


def _beside(include: Path, arch: str) -> Path:
    return include.parent / f"{arch}-linux-gnu" / include.name / "pyconfig.h"


def _turn(text: str, abi: Abi) -> str:
    """Convert an x86-64 pyconfig.h to arm64, or back."""
    text = _undefine(text, _PLATFORM)
    if abi.arch == "aarch64":
        text = text.replace("/* #undef HAVE_USABLE_WCHAR_T */", "#define HAVE_USABLE_WCHAR_T 1")
    return text


def _finish(folder: Path, abi: Abi, variables: dict[str, Any]) -> None:
    pyconfig = folder / "include" / f"python{abi.python}" / "pyconfig.h"
    pyconfig.write_text(_undefine(pyconfig.read_text(encoding="utf-8"), _NOT_IN_ZIG), encoding="utf-8")
    (folder / "lib").mkdir()
    (folder / "sysconfig.json").write_text(json.dumps(variables, indent=1, sort_keys=True), encoding="utf-8")


def _undefine(text: str, names: tuple[str, ...]) -> str:
    return re.sub(rf"#\s*define ({'|'.join(names)})\b.*", r"/* #undef \1 */", text)
