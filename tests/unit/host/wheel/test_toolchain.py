"""The compiler's wrapper: what never reaches zig, what is said in zig's own words, and what is linked."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from edgekit.host.wheel.cross.abi import Abi
from edgekit.host.wheel.cross.toolchain import Compiler, Runtime, Toolchain, make_toolchain
from edgekit.host.wheel.cross.zig import read_zig

ZIG = Path(__file__).parents[4] / "cross" / "zig"
ABI = Abi(python="3.11", arch="aarch64", glibc="2.36", soabi="cpython-311-aarch64-linux-gnu")


def toolchain(folder: Path, runtime: Runtime | None = None, abi: Abi = ABI) -> Toolchain:
    """A toolchain whose zig prints its arguments, one a line."""
    program = folder / "zig"
    program.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    program.chmod(0o755)
    compiler = Compiler(program=program, version="0.17.1", data=read_zig(ZIG), templates=ZIG)
    return make_toolchain(abi, compiler, runtime, folder / "toolchains")


def call(made: Toolchain, program: str, *arguments: str) -> list[str]:
    env = {**os.environ, "EDGEKIT_HOST_PREFIX": "/opt/python", "EDGEKIT_CACHE": "/home/ann/.cache/edgekit"}
    done = subprocess.run(
        [str(made.bin / program), *arguments], capture_output=True, text=True, env=env, check=True, timeout=30
    )
    return done.stdout.splitlines()


@pytest.fixture
def plain(tmp_path: Path) -> Toolchain:
    return toolchain(tmp_path)


def test_it_compiles_for_the_boards_glibc_and_names_no_folder_of_this_machine(plain: Toolchain) -> None:
    said = call(plain, "cc", "-c", "a b.c", "-o", "a.o")
    assert said[:5] == ["cc", "-target", "aarch64-linux-gnu.2.36", "-mcpu=generic", "-fno-sanitize=undefined"]
    assert "-ffile-prefix-map=/home/ann/.cache/edgekit=/edgekit" in said
    assert said[-4:] == ["-c", "a b.c", "-o", "a.o"]


@pytest.mark.parametrize(
    "argument",
    [
        *("-march=native", "-mtune=native", "-mcpu=native", "-msse4.2", "-mavx2", "-m64", "-mfma"),
        *("-I/usr/include", "-I/usr/include/x86_64-linux-gnu", "-L/usr/lib/x86_64-linux-gnu", "-L/lib64"),
        *("-I/opt/python/include/python3.11", "-L/opt/python/lib", "-Wl,-rpath,/opt/python/lib", "-Wl,-rpath,/usr/lib"),
        *("-Wl,--enable-new-dtags", "-Wl,-Bsymbolic-functions", "-Wl,--exclude-libs,ALL", "-Wp,-D_FORTIFY_SOURCE=2"),
    ],
)
def test_what_is_this_machines_or_unknown_to_zig_is_dropped(argument: str, plain: Toolchain) -> None:
    assert argument not in call(plain, "cc", "-c", argument, "a.c")


@pytest.mark.parametrize("argument", ["-I/home/ann/usr/include", "-Iinclude", "-O3", "-DX=-mavx2", "-Wl,-soname,x.so"])
def test_the_rest_is_kept(argument: str, plain: Toolchain) -> None:
    assert argument in call(plain, "cc", "-c", argument, "a.c")


def test_x86_keeps_its_own_flags(tmp_path: Path) -> None:
    abi = Abi(python="3.11", arch="x86_64", glibc="2.36", soabi="cpython-311-x86_64-linux-gnu")
    said = call(toolchain(tmp_path, abi=abi), "cc", "-c", "-mavx2", "-march=native", "a.c")
    assert "-mavx2" in said and "-march=native" not in said and "x86_64-linux-gnu.2.36" in said


@pytest.mark.parametrize(
    ("gcc", "zig"),
    [
        ("-march=armv8-a", "-mcpu=generic+v8a"),
        ("-march=armv8.2-a+fp16+dotprod", "-mcpu=generic+v8_2a+fullfp16+dotprod"),
        ("-march=armv8.2-a+crypto", "-mcpu=generic+v8_2a+aes+sha2"),
        ("-march=armv9-a+simd", "-mcpu=generic+v9a+neon"),
    ],
)
def test_instruction_sets_are_said_in_zigs_words(gcc: str, zig: str, plain: Toolchain) -> None:
    said = call(plain, "cc", "-c", gcc, "a.c")
    assert zig in said and gcc not in said


def test_questions_of_build_systems_are_answered(plain: Toolchain) -> None:
    assert call(plain, "c++", "-Wl,--version") == ["LLD 20.1.0 (compatible with GNU linkers)"]
    assert call(plain, "cc", "-E", "-")[-4:] == ["-x", "c", "-E", "-"]
    assert call(plain, "c++", "-E", "-")[-4:] == ["-x", "c++", "-E", "-"]
    assert call(plain, "cc", "-x", "c", "-E", "-")[-4:] == ["-x", "c", "-E", "-"]
    assert call(plain, "c++", "-dumpmachine") == call(plain, "cc", "-print-multiarch") == ["aarch64-linux-gnu"]


@pytest.mark.parametrize("question", ["-v", "-V", "-dumpversion", "-print-prog-name=ld", "-Wl,-v"])
def test_questions_about_the_compiler_name_no_glibc(question: str, tmp_path: Path) -> None:
    """clang answers them itself, and it refuses a target with a version."""
    made = toolchain(tmp_path, Runtime(root=tmp_path / "root", version="12", digest="d" * 64))
    said = call(made, "c++", question)
    assert said[:3] == ["c++", "-target", "aarch64-linux-gnu"] and said[-1] == question
    assert not [word for word in said if "libstdc++.so" in word]
    assert "aarch64-linux-gnu.2.36" in call(made, "c++", question, "a.cpp")


def test_configure_scripts_are_told_that_they_cannot_run_what_they_compile(plain: Toolchain) -> None:
    script = '. "$CONFIG_SITE"; echo "$cross_compiling $host_alias $ac_cv_func_malloc_0_nonnull"'
    site = str(plain.folder / "config.site")

    def told(**variables: str) -> str:
        env = {"CONFIG_SITE": site, **variables}
        return subprocess.run(["/bin/sh", "-c", script], env=env, capture_output=True, text=True, check=True).stdout

    assert told() == "yes aarch64-linux-gnu yes\n"
    assert told(host_alias="aarch64-linux") == "yes aarch64-linux yes\n", "what a caller says counts"


def test_pkg_config_knows_the_sysroot_alone(plain: Toolchain, tmp_path: Path) -> None:
    if not Path("/usr/bin/pkg-config").exists():
        pytest.skip("no pkg-config here")
    folder = tmp_path / "sysroot/usr/lib/aarch64-linux-gnu/pkgconfig"
    folder.mkdir(parents=True)
    (folder / "cap.pc").write_text(
        "Name: cap\nDescription: x\nVersion: 2.66\nLibs: -L/usr/lib/x -lcap\nCflags: -I/usr/x\n"
    )

    def ask(sysroot: str, *words: str) -> subprocess.CompletedProcess[str]:
        env = {"PATH": "/usr/bin:/bin", "EDGEKIT_SYSROOT": sysroot}
        argv = [str(plain.bin / "pkg-config"), *words]
        return subprocess.run(argv, env=env, capture_output=True, text=True, check=False, timeout=30)

    assert ask(str(tmp_path / "sysroot"), "--libs", "cap").stdout.split() == [
        f"-L{tmp_path}/sysroot/usr/lib/x",
        "-lcap",
    ]
    assert ask("", "--version").returncode == 0, "meson asks for that first"
    assert ask("", "--exists", "cap").returncode and ask("", "--exists", "zlib").returncode


def test_the_boards_cxx_library_is_linked_when_something_is_linked(tmp_path: Path) -> None:
    made = toolchain(tmp_path, Runtime(root=tmp_path / "root", version="12", digest="d" * 64))
    library = str(tmp_path / "root/usr/lib/aarch64-linux-gnu/libstdc++.so.6")
    linked = call(made, "c++", "-shared", "a.o", "-o", "a.so")
    assert library in linked and "-nostdlib++" in linked
    assert f"-I{tmp_path}/root/usr/include/c++/12" in linked
    assert library not in call(made, "c++", "-c", "a.cpp")
    assert library not in call(made, "cc", "-shared", "a.o")
    assert library in call(made, "cc", "-shared", "a.o", "-lstdc++")
    assert made.runtime == "libstdc++ 12"


def test_the_names_that_build_scripts_call_are_there_and_lead_to_it(plain: Toolchain) -> None:
    for name in ("gcc", "g++", "cc", "c++", "ar", "ranlib", "strip", "aarch64-linux-gnu-gcc", "cpp", "pkg-config"):
        assert os.access(plain.path / name, os.X_OK), name
    assert "@" not in (plain.bin / "cc").read_text().replace('"$@"', "")
    cmake = (plain.folder / "toolchain.cmake").read_text()
    assert f'set(CMAKE_C_COMPILER "{plain.bin}/cc")' in cmake and "SYSTEM_PROCESSOR aarch64" in cmake


def test_what_it_makes_names_it_and_nothing_of_this_machine_does(tmp_path: Path) -> None:
    folders = (tmp_path / "one", tmp_path / "two")
    for folder in folders:
        folder.mkdir()
    one, two = (toolchain(folder) for folder in folders)
    assert one.digest == two.digest and one.folder != two.folder
    other = Runtime(root=tmp_path, version="12", digest="e" * 64)
    assert toolchain(folders[0], other).digest != one.digest
    assert toolchain(folders[0]).folder == one.folder
