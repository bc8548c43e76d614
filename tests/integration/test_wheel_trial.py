"""What only importing finds: each of these packages compiles and links, and would fail on the board."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.fakes.wheel_user import User, hint_of, own_checkout

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]
RK3588 = "rk3588-debian12"
PROJECT = """[project]
name = "gate"
version = "1.0"
dependencies = [%s]
[build-system]
requires = ["setuptools"%s]
build-backend = "setuptools.build_meta"
"""
SETUP = """from setuptools import Extension, setup
%s
setup(ext_modules=[Extension("gate", ["gate.c"]%s)])
"""
MODULE = """#include <Python.h>
%s
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "gate", NULL, -1, NULL};
PyMODINIT_FUNC PyInit_gate(void) { %s return PyModule_Create(&module); }
"""
SYMBOL = MODULE % ("int in_no_library(void);", "in_no_library();")
INSTRUCTION = MODULE % ("", '__asm__ volatile(".arch armv8.2-a+sve\\n cntb x0" ::: "x0");')
THREAD_LOCAL = MODULE % (
    '__thread volatile char big[1 << 20] __attribute__((tls_model("initial-exec")));',
    "big[7] = 1;",
)
NUMPY = MODULE % ("#include <numpy/arrayobject.h>", "import_array();")
RAISES = MODULE % ("", 'PyErr_SetString(PyExc_RuntimeError, "only on a Raspberry Pi"); return NULL;')
CRASHES = MODULE % ("", "abort();")


@pytest.fixture
def user(tmp_path: Path) -> User:
    return User(own_checkout(tmp_path / "home"))


def write(user: User, code: str, *, numpy: bool = False) -> None:
    folder = user.home / "gate"
    folder.mkdir()
    (folder / "gate.c").write_text(code)
    more = ("import numpy", ", include_dirs=[numpy.get_include()]") if numpy else ("", "")
    (folder / "setup.py").write_text(SETUP % more)
    needs = ('"numpy"', ', "oldest-supported-numpy"') if numpy else ("", "")
    (folder / "pyproject.toml").write_text(PROJECT % needs)


def refused(user: User) -> tuple[str, str]:
    said = user.refused("./gate", target=RK3588)
    kept = [path for path in (user.cache / "crossbuild/wheels").glob("*") if not path.name.startswith(".")]
    assert not kept, "it is refused before it is kept"
    return next(line for line in said.splitlines() if line.startswith("error: ")), hint_of(said)


@pytest.mark.parametrize(
    ("code", "told"),
    [
        (SYMBOL, "gate misses the symbol in_no_library"),
        (INSTRUCTION, "gate uses instructions that the board's cores (Cortex-A55, Cortex-A76) lack"),
        (THREAD_LOCAL, "gate asks for more thread-local memory"),
        (CRASHES, "gate crashes when it is imported (SIGABRT)"),
    ],
    ids=["symbol", "instruction", "static-tls", "crash"],
)
def test_a_module_that_would_fail_on_the_board(code: str, told: str, user: User) -> None:
    write(user, code)
    error, hint = refused(user)
    assert told in error and "cross/packages/gate.toml" in hint


def test_a_crash_that_only_emulation_has_is_passed_over_by_a_rule(user: User) -> None:
    """As the hint says; that the modules were not tried is told."""
    write(user, CRASHES)
    _, hint = refused(user)
    line = hint.split(": ", 2)[2].split(" below")[0].replace("why", "it asks for a board's own device")
    (user.home / "cross/packages/gate.toml").write_text(f"[[rules]]\n{line}\n")
    done = user.run("./gate", target=RK3588)
    assert done.returncode == 0 and "gate 1.0: was not imported: it asks for a board's own device" in done.stderr


def test_a_module_that_was_built_for_numpy_1_beside_numpy_2(user: User) -> None:
    """Built as the hint says, it works."""
    write(user, NUMPY, numpy=True)
    error, hint = refused(user)
    assert "gate was built for another numpy" in error
    line = hint.removeprefix("hint: ").split(" below")[0]
    (user.home / "cross/packages/gate.toml").write_text(f"[[rules]]\n{line}\n")
    [made] = user.build("./gate", target=RK3588)
    assert any(pin.startswith("numpy==2") for pin in made["built"]["made"]["built_with"])


def test_what_this_machine_cannot_tell_is_said_and_kept(user: User) -> None:
    write(user, RAISES)
    done = user.run("./gate", target=RK3588)
    assert done.returncode == 0
    assert "gate 1.0: gate could not be tried here: it raises RuntimeError: only on a Raspberry Pi" in done.stderr


def test_where_no_python_of_the_target_can_be_had_it_is_said(user: User) -> None:
    """JetPack 6 has Python 3.10, which no release of Debian has."""
    write(user, MODULE % ("", ""))
    done = user.run("./gate", target="jetson-orin-nano-jp62")
    assert done.returncode == 0 and "gate 1.0: was not imported: Debian has no Python 3.10 for arm64" in done.stderr


@pytest.mark.skipif(shutil.which("apt-get") is None, reason="no apt here")
def test_without_an_emulator_here_debians_is_taken(user: User) -> None:
    """62 MB, fetched once: this machine's PATH has none."""
    bare = user.home / "bin"
    bare.mkdir()
    for name in ("env", "sh", "sed", "uname", "apt-get", "rm", "mktemp"):
        (bare / name).symlink_to(shutil.which(name) or f"/usr/bin/{name}")
    write(user, SYMBOL)
    said = user.refused("./gate", target=RK3588, PATH=str(bare))
    assert "gate misses the symbol in_no_library" in said
