"""A build's environment: the board's variables, nothing of the user's, and no tool that loads the board's modules."""

from __future__ import annotations

import json
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

from edgekit.host.wheel.cross.abi import Abi
from edgekit.host.wheel.cross.environment import (
    Extras,
    Workshop,
    cross_environment,
    install_shim,
    making_digest,
    plain_environment,
)
from edgekit.host.wheel.cross.headers import TargetPython
from edgekit.host.wheel.cross.toolchain import Toolchain
from edgekit.host.wheel.interpreter import Interpreter

ABI = Abi(python="3.11", arch="aarch64", glibc="2.36", soabi="cpython-311-aarch64-linux-gnu")


@pytest.fixture
def shop(tmp_path: Path) -> Workshop:
    python = tmp_path / "python"
    python.mkdir()
    said = {"CFLAGS": "-march=x86-64-v3", "CC": "gcc", "ARFLAGS": "rcs", "SOABI": "of another", "SIZEOF_LONG": 8}
    (python / "sysconfig.json").write_text(json.dumps(said))
    return Workshop(
        abi=ABI,
        toolchain=Toolchain(folder=tmp_path / "toolchain", zig="0.17.1", runtime="libc++", digest="t"),
        python=TargetPython(folder=python, origin="here", digest="p"),
        interpreter=Interpreter(path=Path("/opt/python/bin/python3"), version="3.11.7", prefix=Path("/opt/python")),
        cache=tmp_path / "cache",
        jobs=2,
    )


@pytest.fixture
def site(tmp_path: Path) -> Path:
    made = tmp_path / "venv/lib/python3.11/site-packages"
    made.mkdir(parents=True)
    return made


def test_a_build_sees_the_board_and_nothing_of_the_user(shop: Workshop, tmp_path: Path) -> None:
    extras = Extras(sysroot=tmp_path / "sysroot", environment={"CUDA_ROOT": "/cuda", "CFLAGS": "-O1"})
    seen = cross_environment(shop, extras, tmp_path / "venv", tmp_path / "work", optimise=True)
    assert seen["CC"] == f"{shop.toolchain.bin}/cc" and seen["PATH"].startswith(
        f"{tmp_path}/venv/bin:{shop.toolchain.path}:"
    )
    assert seen["CONFIG_SITE"] == f"{shop.toolchain.folder}/config.site"
    assert seen["CPPFLAGS"].startswith(f"-I{tmp_path}/sysroot/usr/include ") and seen["EDGEKIT_GLIBC"] == "2.36"
    assert (seen["CUDA_ROOT"], seen["CFLAGS"]) == ("/cuda", "-O1"), "a package's rule wins"
    assert seen["HOME"] == f"{tmp_path}/work/home"
    plain = plain_environment(tmp_path / "venv", tmp_path / "work")
    assert not [name for name in plain if name.startswith(("EDGEKIT", "CC", "_PYTHON"))]


def test_meson_keeps_its_own_opinion_on_optimisation(shop: Workshop, tmp_path: Path) -> None:
    seen = cross_environment(shop, Extras(), tmp_path, tmp_path, optimise=False)
    assert "-O2" not in seen["CFLAGS"] and seen["CPPFLAGS"] == ""


def test_build_variables_are_the_boards_and_carry_no_flags(shop: Workshop, site: Path, tmp_path: Path) -> None:
    install_shim(shop, tmp_path / "venv")
    told = runpy.run_path(str(site / "_edgekit_sysconfigdata.py"))["build_time_vars"]
    assert told["CFLAGS"] == "" and told["CC"] == f"{shop.toolchain.bin}/cc" and told["SIZEOF_LONG"] == 8
    assert told["EXT_SUFFIX"] == ".cpython-311-aarch64-linux-gnu.so" and told["SOABI"] == ABI.soabi
    assert told["ARFLAGS"] == "rcs", "without an operation ar makes no archive"
    assert (site / "edgekit_shim.pth").is_file()


def test_nanobinds_stubs_are_written_without_the_module(shop: Workshop, site: Path, tmp_path: Path) -> None:
    """Its own program would import what was compiled for the board; uv's cache keeps that program."""
    cached = tmp_path / "uv-cache-stubgen.py"
    cached.write_text("import zxing\n")
    (site / "nanobind").mkdir()
    (site / "nanobind/stubgen.py").hardlink_to(cached)
    install_shim(shop, tmp_path / "venv")
    assert cached.read_text() == "import zxing\n"

    def run(*words: str) -> None:
        argv = [sys.executable, str(site / "nanobind/stubgen.py"), *words]
        subprocess.run(argv, check=True, cwd=tmp_path, timeout=60)

    run("-q", "-i", "build", "-P", "-m", "zxing", "-o", "build/zxing.pyi", "-M", "py.typed")
    run("-q", "-r", "-m", "zxing.inner", "-O", "out")
    for stub in ("build/zxing.pyi", "out/inner.pyi"):
        compile((tmp_path / stub).read_text(), stub, "exec")
        assert "def __getattr__(name: str) -> Any: ..." in (tmp_path / stub).read_text()
    assert (tmp_path / "py.typed").is_file()


def test_what_edgekit_adds_has_a_name() -> None:
    assert len(making_digest()) == 64
