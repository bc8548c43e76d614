"""`edgekit wheel check` names what is wrong with wheels: twelve faults, each made for real and named by its code."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import uv

import edgekit
from edgekit.errors import WheelError
from edgekit.executor.local import LocalExecutor
from edgekit.host.cache import Cache
from edgekit.host.catalogue.targets import find_target
from edgekit.host.progress import Silent
from edgekit.host.settings import Settings, settings_from
from edgekit.host.wheel.check.audit import check_wheel
from edgekit.host.wheel.check.elf import read_elf
from edgekit.host.wheel.check.graft import graft
from edgekit.host.wheel.check.loads import loads_of
from edgekit.host.wheel.check.symbols import Damaged
from edgekit.host.wheel.cross.paths import CrossPaths
from edgekit.host.wheel.cross.zig import install_zig, read_zig
from edgekit.host.wheel.uv import Uv
from tests.fakes.faulty_wheels import MODULE, PLAIN, TAG, Compiler, with_alignment, with_executable_stack, write_wheel
from tests.fakes.shipped_targets import target_text

pytestmark = pytest.mark.integration
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def settings() -> Settings:
    return settings_from(os.environ, Path(edgekit.__file__).parent)


@pytest.fixture(scope="session")
def zig(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Compiler:
    paths = CrossPaths(cache=settings.cache_dir, cross=settings.data_dir / "cross")
    data = read_zig(paths.cross / "zig")
    tool = Uv(LocalExecutor(), uv.find_uv_bin())
    program = install_zig(data.default, data, Cache(paths.compilers), tool, Silent())
    return Compiler(program=program, cache=tmp_path_factory.mktemp("zig"))


def check(folder: Path, *wheels: Path, target: str = "virt-arm64") -> tuple[int, dict[str, Any], str]:
    argv = [sys.executable, "-m", "edgekit.cli.main", "wheel", "check", *map(str, wheels), "--target", target, "--json"]
    done = subprocess.run(argv, capture_output=True, text=True, cwd=folder, timeout=120, check=False)
    assert "Traceback" not in done.stderr, done.stderr
    return done.returncode, json.loads(done.stdout), done.stderr


def faults(folder: Path, wheel: Path, target: str = "virt-arm64") -> list[dict[str, str]]:
    code, told, _ = check(folder, wheel, target=target)
    [report] = told["wheels"]
    assert code == (4 if report["faults"] else 0)
    return report["faults"]


def test_a_right_wheel_has_no_fault_and_its_tag_is_told(zig: Compiler, tmp_path: Path) -> None:
    wheel = write_wheel(tmp_path, {MODULE: zig.library(tmp_path, PLAIN)})
    code, told, _ = check(tmp_path, wheel)
    assert code == 0
    [report] = told["wheels"]
    assert report["faults"] == [] and report["true_platform"] == "manylinux_2_17_aarch64"


Make = Callable[[Compiler, Path], Path]


def wrong_machine(zig: Compiler, folder: Path) -> Path:
    return write_wheel(folder, {MODULE: zig.library(folder, PLAIN, target="x86_64-linux-gnu.2.36")})


def too_new_glibc(zig: Compiler, folder: Path) -> Path:
    source = "#include <math.h>\ndouble part(double x, double y) { return fmod(x, y); }\n"
    return write_wheel(folder, {MODULE: zig.library(folder, source, "-lm", target="aarch64-linux-gnu.2.39")})


def too_new_libstdcxx(zig: Compiler, folder: Path) -> Path:
    script = folder / "versions"
    script.write_text("GLIBCXX_3.4.33 { global: newer; };\n")
    library = zig.library(
        folder, "void newer(void) {}\n", "-Wl,-soname,libstdc++.so.6", f"-Wl,--version-script={script}"
    )
    (folder / "libstdc++.so.6").write_bytes(library)
    source = "void newer(void); int part(void) { newer(); return 1; }\n"
    return write_wheel(folder, {MODULE: zig.library(folder, source, str(folder / "libstdc++.so.6"))})


def host_rpath(zig: Compiler, folder: Path) -> Path:
    return write_wheel(folder, {MODULE: zig.library(folder, PLAIN, "-Wl,-rpath,/home/ann/venv/part")})


def missing_library(zig: Compiler, folder: Path) -> Path:
    (folder / "libblob.so.7").write_bytes(zig.library(folder, "void blob(void) {}\n", "-Wl,-soname,libblob.so.7"))
    source = "void blob(void); int part(void) { blob(); return 1; }\n"
    return write_wheel(folder, {MODULE: zig.library(folder, source, str(folder / "libblob.so.7"))})


def wrong_abi(zig: Compiler, folder: Path) -> Path:
    return write_wheel(folder, {MODULE.replace("311", "310"): zig.library(folder, PLAIN)})


def small_pages(zig: Compiler, folder: Path) -> Path:
    return write_wheel(folder, {MODULE: with_alignment(zig.library(folder, PLAIN), 4096)})


def executable_stack(zig: Compiler, folder: Path) -> Path:
    return write_wheel(folder, {MODULE: with_executable_stack(zig.library(folder, PLAIN))})


def truncated(zig: Compiler, folder: Path) -> Path:
    library = zig.library(folder, PLAIN)
    return write_wheel(folder, {MODULE: library[: len(library) // 2]})


def bad_record(zig: Compiler, folder: Path) -> Path:
    wheel = write_wheel(folder, {MODULE: zig.library(folder, PLAIN)})
    with zipfile.ZipFile(wheel) as archive:
        record = archive.read("part-1.0.dist-info/RECORD").decode()
    files = {MODULE: zig.library(folder, PLAIN.replace("1", "2"))}
    return write_wheel(folder, files, record=record)


def path_escape(zig: Compiler, folder: Path) -> Path:
    return write_wheel(folder, {"../../etc/part": b"x", MODULE: zig.library(folder, PLAIN)})


def zip_bomb(zig: Compiler, folder: Path) -> Path:
    return write_wheel(folder, {"part/big.bin": bytes(200 << 20), MODULE: zig.library(folder, PLAIN)})


TWELVE = [
    (wrong_machine, "virt-arm64", "machine", ("_part.cpython-311", "x86_64")),
    (too_new_glibc, "virt-arm64", "glibc", ("GLIBC_2.38", "fmod", "libm.so.6", "2.36")),
    (too_new_libstdcxx, "virt-arm64", "libstdcxx", ("GLIBCXX_3.4.33", "newer", "3.4.30")),
    (host_rpath, "virt-arm64", "rpath", ("/home/ann/venv/part",)),
    (missing_library, "virt-arm64", "library", ("libblob.so.7",)),
    (wrong_abi, "virt-arm64", "abi", ("cpython-310", "cpython-311")),
    (small_pages, "big-pages", "alignment", ("4.0 KiB", "16.0 KiB")),
    (executable_stack, "virt-arm64", "executable-stack", ("executable stack",)),
    (truncated, "virt-arm64", "truncated", (MODULE,)),
    (bad_record, "virt-arm64", "record", (MODULE,)),
    (path_escape, "virt-arm64", "path-escape", ("../../etc/part",)),
    (zip_bomb, "virt-arm64", "bomb", ("part/big.bin", "200")),
]


@pytest.mark.parametrize("row", TWELVE, ids=[row[0].__name__ for row in TWELVE])
def test_a_faulty_wheel_is_named_right(
    row: tuple[Make, str, str, tuple[str, ...]], zig: Compiler, tmp_path: Path
) -> None:
    make, target, code, told = row
    (tmp_path / "targets").mkdir()
    text = target_text("virt-arm64").replace('name = "virt-arm64"', 'name = "big-pages"')
    text = text.replace("[memory]\n", '[memory]\npage_bytes = "16KiB"\n')
    (tmp_path / "targets/big-pages.toml").write_text(text)
    found = faults(tmp_path, make(zig, tmp_path), target)
    assert {fault["code"] for fault in found} == {code}, found
    for text in told:
        assert any(text in f"{fault['file']} {fault['message']}" for fault in found), found


def test_all_faulty_wheels_at_once_are_one_answer(zig: Compiler, tmp_path: Path) -> None:
    wheels = []
    for make in (host_rpath, wrong_abi, truncated):
        folder = tmp_path / make.__name__
        folder.mkdir()
        wheels.append(make(zig, folder))
    code, told, said = check(tmp_path, *wheels)
    assert code == 4 and len(told["wheels"]) == 3
    assert "3 faults in 3 of 3 wheels" in said


def test_a_symbol_beyond_the_stable_abi(zig: Compiler, tmp_path: Path) -> None:
    source = "void PyUnicode_AsUTF8AndSize(void); int part(void) { PyUnicode_AsUTF8AndSize(); return 1; }"
    library = zig.library(tmp_path, source)
    wheel = write_wheel(tmp_path, {"part/_part.abi3.so": library}, tag="cp39-abi3-manylinux_2_34_aarch64")
    [fault] = faults(tmp_path, wheel)
    assert fault["code"] == "abi" and "PyUnicode_AsUTF8AndSize" in fault["message"] and "3.9" in fault["message"]


def test_a_symbol_that_the_python_lacks(zig: Compiler, tmp_path: Path) -> None:
    library = zig.library(tmp_path, "void PyOld_Gone(void); int part(void) { PyOld_Gone(); return 1; }\n")
    [fault] = faults(tmp_path, write_wheel(tmp_path, {MODULE: library}))
    assert fault["code"] == "abi" and "PyOld_Gone" in fault["message"]


@pytest.mark.parametrize("content", [b"", b"not a zip", b"PK\x03\x04" + bytes(200)])
def test_what_is_no_wheel(content: bytes, tmp_path: Path) -> None:
    wheel = tmp_path / f"part-1.0-{TAG}.whl"
    wheel.write_bytes(content)
    assert [fault["code"] for fault in faults(tmp_path, wheel)] == ["not-a-wheel"]


def test_a_missing_file_ends_with_2(tmp_path: Path) -> None:
    argv = [sys.executable, "-m", "edgekit.cli.main", "wheel", "check", "none.whl", "--target", "virt-arm64"]
    done = subprocess.run(argv, capture_output=True, text=True, cwd=tmp_path, timeout=60, check=False)
    assert done.returncode == 2 and "none.whl" in done.stderr


def test_any_cut_of_a_library_is_told_and_nothing_else_is_raised(zig: Compiler, tmp_path: Path) -> None:
    library = zig.library(tmp_path, PLAIN)
    for end in range(0, len(library), max(1, len(library) // 500)):
        try:
            read_elf(io.BytesIO(library[:end]))
        except Damaged:
            continue
        pytest.fail(f"cut at {end} of {len(library)} was taken for whole")


def test_a_flipped_byte_never_raises_anything_else(zig: Compiler, tmp_path: Path) -> None:
    library = zig.library(tmp_path, PLAIN)
    for at in range(0, min(len(library), 4096)):
        flipped = bytearray(library)
        flipped[at] ^= 0xFF
        with contextlib.suppress(Damaged):
            read_elf(io.BytesIO(flipped))


def linked(zig: Compiler, folder: Path) -> tuple[Path, Path]:
    """A wheel whose module needs a library that the board lacks and one that it has, and the folder of both."""
    libraries = folder / "libraries"
    libraries.mkdir()
    for name in ("blob", "board"):
        soname = f"lib{name}.so.7"
        library = zig.library(folder, f"int {name}(void) {{ return 7; }}\n", f"-Wl,-soname,{soname}")
        (libraries / soname).write_bytes(library)
    source = "int blob(void); int board(void); int part(void) { return blob() + board(); }\n"
    module = zig.library(folder, source, str(libraries / "libblob.so.7"), str(libraries / "libboard.so.7"))
    return write_wheel(folder, {MODULE: module}, tag="cp311-cp311-linux_aarch64"), libraries


def test_a_library_that_the_board_lacks_is_grafted(zig: Compiler, settings: Settings, tmp_path: Path) -> None:
    wheel, libraries = linked(zig, tmp_path)
    loads = loads_of(find_target("virt-arm64", settings), settings.data_dir / "cross")
    loads = dataclasses.replace(loads, libraries=(*loads.libraries, "libboard.so.*"))
    assert [fault.code for fault in check_wheel(wheel, loads).faults] == ["library"]
    (tmp_path / "out").mkdir()
    grafted = graft(wheel, [tmp_path / "none", libraries], loads.libraries, tmp_path / "out", LocalExecutor())
    report = check_wheel(grafted, loads)
    assert report.faults == () and report.elf_files == 2
    assert set(report.needed) == {"libboard.so.7", "libc.so.6"}
    assert "aarch64" in grafted.name and "manylinux" in grafted.name


def test_a_library_that_is_nowhere_is_told_in_auditwheels_words(zig: Compiler, tmp_path: Path) -> None:
    wheel, libraries = linked(zig, tmp_path)
    (libraries / "libblob.so.7").unlink()
    (tmp_path / "out").mkdir()
    with pytest.raises(WheelError, match=r"part-1\.0.* cannot be put into it") as told:
        graft(wheel, [libraries], ("libc.so.6",), tmp_path / "out", LocalExecutor())
    assert "libblob.so.7" in told.value.details


@pytest.mark.parametrize("target", ["virt-arm64", "rk3588-debian12", "jetson-orin-nano-jp62", "host"])
def test_the_wheels_that_every_release_has_can_be_loaded(target: str, settings: Settings, tmp_path: Path) -> None:
    found = find_target(target, settings)
    loads = loads_of(found, settings.data_dir / "cross")
    argv = [sys.executable, "-m", "edgekit.cli.main", "wheel", "build", "numpy", "opencv-python-headless", "av"]
    argv += ["onnxruntime", "--target", target, "--out", "out"]
    subprocess.run(argv, check=True, capture_output=True, cwd=tmp_path, timeout=600)
    wheels = sorted((tmp_path / "out").glob("*.whl"))
    assert len(wheels) == 4
    for wheel in wheels:
        assert check_wheel(wheel, loads).faults == ()
    shutil.rmtree(tmp_path / "out")
