"""Headers of a board's Python out of this machine's: only what differs is turned, or the board's own word counts."""

from __future__ import annotations

import json
import sys
import sysconfig
from pathlib import Path

import pytest

from edgekit.errors import WheelError
from edgekit.executor.local import LocalExecutor
from edgekit.host.cache import Cache
from edgekit.host.wheel.cross.abi import Abi
from edgekit.host.wheel.cross.headers import TargetPython, headers_from_here, headers_need, pyconfig_for
from edgekit.host.wheel.interpreter import Interpreter
from tests.fakes.scripted import ScriptedExecutor

MINOR = f"{sys.version_info.major}.{sys.version_info.minor}"
TAG = f"cpython-{MINOR.replace('.', '')}"


def headers(cache: Path, arch: str, pyconfig: str = "") -> TargetPython:
    abi = Abi(python=MINOR, arch=arch, glibc="2.36", soabi=f"{TAG}-{arch}-linux-gnu")
    here = Interpreter(path=Path(sys.executable), version="x", prefix=Path(sys.base_prefix))
    return headers_from_here(abi, here, Cache(cache), LocalExecutor(), pyconfig)


@pytest.fixture
def arm(tmp_path: Path) -> TargetPython:
    if not Path(sysconfig.get_path("include"), "Python.h").is_file():
        pytest.skip("this machine's Python came without its headers: apt-get install python3-dev")
    return headers(tmp_path, "aarch64")


def test_what_names_x86_is_turned_and_the_rest_is_this_machines(arm: TargetPython, tmp_path: Path) -> None:
    text = (arm.include(MINOR) / "pyconfig.h").read_text()
    assert "define HAVE_GCC_ASM_FOR_X64" not in text and "define HAVE_CRYPT_H" not in text
    assert "define HAVE_USABLE_WCHAR_T 1" in text and "define SIZEOF_VOID_P 8" in text
    assert (arm.include(MINOR) / "Python.h").is_file()
    variables = (arm.folder / "sysconfig.json").read_text()
    assert f"{TAG}-aarch64-linux-gnu" in variables and "x86_64" not in variables
    assert headers(tmp_path, "aarch64") == arm
    assert headers(tmp_path, "x86_64").digest != arm.digest


def test_the_boards_own_pyconfig_counts(arm: TargetPython, tmp_path: Path) -> None:
    probed = headers(tmp_path, "aarch64", "#define SIZEOF_VOID_P 8\n#define HAVE_CRYPT_H 1\n#define OF_THE_BOARD 1\n")
    text = (probed.include(MINOR) / "pyconfig.h").read_text()
    assert "OF_THE_BOARD" in text and "define HAVE_CRYPT_H" not in text
    assert probed.digest != arm.digest and "of a board" in probed.origin


FORWARDER = """#if defined(__linux__)
# if defined(__x86_64__) && defined(__LP64__)
#  include <x86_64-linux-gnu/python3.12/pyconfig.h>
# elif defined(__aarch64__) && defined(__AARCH64EL__)
#  include <aarch64-linux-gnu/python3.12/pyconfig.h>
# endif
#endif
"""
X86 = "#define SIZEOF_VOID_P 8\n#define HAVE_GCC_ASM_FOR_X64 1\n/* #undef HAVE_USABLE_WCHAR_T */\n"
ARM = "#define SIZEOF_VOID_P 8\n#define HAVE_USABLE_WCHAR_T 1\n#define OF_ARM 1\n"


def debian(folder: Path, **pyconfigs: str) -> Path:
    """Headers as Debian and Ubuntu lay them out: pyconfig.h forwards to one for each architecture that is installed."""
    include = folder / "include/python3.12"
    for arch, text in pyconfigs.items():
        (folder / f"include/{arch}-linux-gnu/python3.12").mkdir(parents=True)
        (folder / f"include/{arch}-linux-gnu/python3.12/pyconfig.h").write_text(text)
    include.mkdir(parents=True)
    (include / "pyconfig.h").write_text(FORWARDER)
    (include / "Python.h").touch()
    return include


def abi(arch: str) -> Abi:
    return Abi(python="3.12", arch=arch, glibc="2.39", soabi=f"cpython-312-{arch}-linux-gnu")


def test_debians_pyconfig_is_the_one_that_it_forwards_to(tmp_path: Path) -> None:
    include = debian(tmp_path, x86_64=X86)
    turned = pyconfig_for(abi("aarch64"), include, "x86_64")
    assert "define SIZEOF_VOID_P 8" in turned and "define HAVE_USABLE_WCHAR_T 1" in turned
    assert "define HAVE_GCC_ASM_FOR_X64" not in turned and "include" not in turned
    assert pyconfig_for(abi("x86_64"), include, "x86_64") == X86


def test_the_targets_own_counts_where_it_is_installed_beside(tmp_path: Path) -> None:
    assert pyconfig_for(abi("aarch64"), debian(tmp_path, x86_64=X86, aarch64=ARM), "x86_64") == ARM


def test_a_forwarder_to_nothing_is_missing_headers_and_says_which(tmp_path: Path) -> None:
    with pytest.raises(OSError, match=r"x86_64-linux-gnu/python3\.12/pyconfig\.h"):
        pyconfig_for(abi("aarch64"), debian(tmp_path), "x86_64")


def test_a_python_without_headers_is_refused_with_the_package_that_has_them(tmp_path: Path) -> None:
    here = Interpreter(path=Path("/opt/python3.12"), version="3.12.1", prefix=Path("/opt"))
    told = json.dumps({"INCLUDEPY": str(tmp_path / "python3.12"), "MULTIARCH": "x86_64-linux-gnu"}).encode()
    with pytest.raises(WheelError, match=r"came without its headers.*Python\.h is not there") as caught:
        headers_from_here(abi("aarch64"), here, Cache(tmp_path / "kept"), ScriptedExecutor(stdout=told))
    assert "python3.12-dev" in caught.value.hint
    need = headers_need(here, "3.12", ScriptedExecutor(stdout=told))
    assert need.package == "python3.12-dev" and not need.is_met()
