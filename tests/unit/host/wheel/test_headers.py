"""Headers of a board's Python out of this machine's: only what differs is turned, or the board's own word counts."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from edgekit.executor.local import LocalExecutor
from edgekit.host.wheel.cross.abi import Abi
from edgekit.host.wheel.cross.headers import TargetPython, headers_from_here
from edgekit.host.wheel.interpreter import Interpreter

MINOR = f"{sys.version_info.major}.{sys.version_info.minor}"
TAG = f"cpython-{MINOR.replace('.', '')}"


def headers(cache: Path, arch: str, pyconfig: str = "") -> TargetPython:
    abi = Abi(python=MINOR, arch=arch, glibc="2.36", soabi=f"{TAG}-{arch}-linux-gnu")
    here = Interpreter(path=Path(sys.executable), version="x", prefix=Path(sys.base_prefix))
    return headers_from_here(abi, here, cache, LocalExecutor(), pyconfig)


@pytest.fixture
def arm(tmp_path: Path) -> TargetPython:
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
