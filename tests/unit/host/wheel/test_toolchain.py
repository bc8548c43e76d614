"""The compiler's wrapper: what never reaches zig, what is said in zig's own words, and what is linked."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from edgekit.host.cache import Cache
from edgekit.host.wheel.cross.abi import Abi
from edgekit.host.wheel.cross.compiler_names import shadow_compilers
from edgekit.host.wheel.cross.cpus import CpuLimits, cpu_limits
from edgekit.host.wheel.cross.toolchain import Compiler, CxxRuntime, Toolchain, make_toolchain
from edgekit.host.wheel.cross.zig import read_zig
from edgekit.schema.target import CpuCluster
from tests.fakes.eventually import PATIENCE_S

CROSS = Path(__file__).parents[4] / "cross"
ZIG = CROSS / "zig"
ABI = Abi(python="3.11", arch="aarch64", glibc="2.36", soabi="cpython-311-aarch64-linux-gnu")


RK3588 = cpu_limits(
    (CpuCluster(name="a", cpus=(0,), part="0xd05"), CpuCluster(name="b", cpus=(1,), part="0xd0b")), CROSS
)


def toolchain(folder: Path, runtime: CxxRuntime | None = None, abi: Abi = ABI, limits: CpuLimits = RK3588) -> Toolchain:
    """A toolchain whose zig prints its arguments, one a line."""
    program = folder / "zig"
    program.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    program.chmod(0o755)
    compiler = Compiler(program=program, version="0.17.1", data=read_zig(ZIG), templates=ZIG, limits=limits)
    return make_toolchain(abi, compiler, runtime, Cache(folder / "toolchains"))


def call(made: Toolchain, program: str, *arguments: str, **variables: str) -> list[str]:
    env = {**os.environ, "EDGEKIT_HOST_PREFIX": "/opt/python", "EDGEKIT_CACHE": "/home/ann/.cache/edgekit", **variables}
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
        *("-march=haswell", "-march=x86-64-v3", "-march=alderlake", "-march=armv7-a", "-mcpu=cortex-a710"),
        *("-mcpu=neoverse-v1", "-mfpu=neon", "-mfloat-abi=hard", "-mtune=cortex-a57", "-mno-avx512f", "--sysroot=/"),
        *("-isystem/usr/include", "-idirafter/usr/include/x86_64-linux-gnu", "-Wa,-march=armv8.6-a+sve"),
        *("-I/usr/include", "-I/usr/include/x86_64-linux-gnu", "-L/usr/lib/x86_64-linux-gnu", "-L/lib64"),
        *("-I/opt/python/include/python3.11", "-L/opt/python/lib", "-Wl,-rpath,/opt/python/lib", "-Wl,-rpath,/usr/lib"),
        *("-Wl,--enable-new-dtags", "-Wl,-Bsymbolic-functions", "-Wl,--exclude-libs,ALL", "-Wp,-D_FORTIFY_SOURCE=2"),
    ],
)
def test_what_is_this_machines_or_unknown_to_zig_is_dropped(argument: str, plain: Toolchain) -> None:
    assert argument not in call(plain, "cc", "-c", argument, "a.c")


@pytest.mark.parametrize(
    "two",
    [
        *(
            "-I /usr/include",
            "-isystem /usr/include/x86_64-linux-gnu",
            "-idirafter /usr/include",
            "-iquote /usr/include",
        ),
        *("-L /usr/lib", "-L /lib64", "-I /opt/python/include", "-isystem /opt/python/include", "-isysroot /"),
        *("--sysroot /", "-rpath /usr/lib"),
    ],
)
def test_an_option_in_two_words_is_dropped_as_in_one(two: str, plain: Toolchain) -> None:
    said = call(plain, "cc", "-c", *two.split(), "a.c")
    assert said[-2:] == ["-c", "a.c"]


@pytest.mark.parametrize("two", ["-I include", "-isystem /home/ann/usr/include", "-L /home/ann/lib", "-I -mavx2"])
def test_an_option_in_two_words_is_kept_as_it_is(two: str, plain: Toolchain) -> None:
    assert call(plain, "cc", "-c", *two.split(), "a.c")[-4:] == ["-c", *two.split(), "a.c"]
    assert call(plain, "cc", "-c", "a.c", "-I")[-3:] == ["-c", "a.c", "-I"]


def test_headers_of_this_machine_do_not_come_in_by_the_environment(plain: Toolchain) -> None:
    (plain.folder.parents[2] / "zig").write_text('#!/bin/sh\necho "$CPATH"\n')
    assert call(plain, "cc", "-c", "a.c", CPATH="/usr/include") == [""]
    assert call(plain, "cc", "-c", "a.c", CPATH="/cache/roots/1/usr/include") == ["/cache/roots/1/usr/include"]


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
        ("-march=armv8.2-a+fp16+nosimd", "-mcpu=generic+v8_2a+fullfp16"),
    ],
)
def test_instruction_sets_are_said_in_zigs_words(gcc: str, zig: str, plain: Toolchain, tmp_path: Path) -> None:
    said = call(plain, "cc", "-c", gcc, "a.c", EDGEKIT_NOTES=str(tmp_path / "notes"))
    assert zig in said and gcc not in said
    assert not (tmp_path / "notes").exists()


@pytest.mark.parametrize(
    ("gcc", "zig", "lacking"),
    [
        ("-march=armv8.6-a+sve2+bf16+i8mm", "-mcpu=generic+v8_2a", "armv8.6-a sve2 bf16 i8mm"),
        ("-march=armv8.2-a+sve+fp16", "-mcpu=generic+v8_2a+fullfp16", "sve"),
        ("-march=armv9-a+simd", "-mcpu=generic+v8_2a+neon", "armv9-a"),
    ],
)
def test_instructions_that_the_boards_cores_lack_are_left_out_and_noted(
    gcc: str, zig: str, lacking: str, plain: Toolchain, tmp_path: Path
) -> None:
    notes = tmp_path / "notes"
    said = call(plain, "cc", "-c", gcc, "a.c", EDGEKIT_NOTES=str(notes))
    assert [word for word in said if word.startswith(("-mcpu", "-march"))][1:] == [zig]
    assert notes.read_text() == f"{gcc}\tthe board's cores (Cortex-A55, Cortex-A76) lack {lacking}\n"


def test_a_target_whose_cores_are_not_known_gets_what_every_arm64_has(tmp_path: Path) -> None:
    unknown = cpu_limits((CpuCluster(name="a", cpus=(0,), part="0xd0b"), CpuCluster(name="b", cpus=(1,))), CROSS)
    made = toolchain(tmp_path, limits=unknown)
    said = call(made, "cc", "-c", "-march=armv8.2-a+dotprod", "a.c", EDGEKIT_NOTES=str(tmp_path / "notes"))
    assert "-mcpu=generic+v8a" in said
    assert "does not name a core that is known) lack armv8.2-a dotprod" in (tmp_path / "notes").read_text()
    assert made.digest != toolchain(tmp_path).digest, "a wheel for one is none for the other"


def test_what_was_dropped_is_noted_where_it_may_have_been_meant(plain: Toolchain, tmp_path: Path) -> None:
    notes = tmp_path / "notes"
    call(plain, "cc", "-c", "-mavx2", "-m64", "-isystem", "/usr/include", "a.c", EDGEKIT_NOTES=str(notes))
    assert notes.read_text().splitlines() == [
        "-mavx2\tan instruction set of x86",
        "-isystem/usr/include\tthis machine's headers and libraries are not the board's",
    ]


def test_what_a_failing_compiler_says_is_kept_also_where_a_package_hides_it(plain: Toolchain, tmp_path: Path) -> None:
    (tmp_path / "zig").write_text(
        '#!/bin/sh\necho "$*" | grep -q bad.c || exit 0\necho "bad.c:1: error: no" >&2; exit 3\n'
    )
    env = {**os.environ, "EDGEKIT_NOTES": str(tmp_path / "notes")}
    for name, status in (("good.c", 0), ("bad.c", 3)):
        done = subprocess.run([str(plain.bin / "cc"), "-c", name], env=env, capture_output=True, check=False)
        assert done.returncode == status and (b"error: no" in done.stderr) == (status != 0)
    assert (tmp_path / "notes.failed").read_text() == "bad.c:1: error: no\n"


def test_questions_of_build_systems_are_answered(plain: Toolchain) -> None:
    assert call(plain, "c++", "-Wl,--version") == ["LLD 20.1.0 (compatible with GNU linkers)"]
    assert call(plain, "cc", "-E", "-")[-4:] == ["-x", "c", "-E", "-"]
    assert call(plain, "c++", "-E", "-")[-4:] == ["-x", "c++", "-E", "-"]
    assert call(plain, "cc", "-x", "c", "-E", "-")[-4:] == ["-x", "c", "-E", "-"]
    assert call(plain, "c++", "-dumpmachine") == call(plain, "cc", "-print-multiarch") == ["aarch64-linux-gnu"]


@pytest.mark.parametrize("question", ["-v", "-V", "-dumpversion", "-print-prog-name=ld", "-Wl,-v"])
def test_questions_about_the_compiler_name_no_glibc(question: str, tmp_path: Path) -> None:
    """clang answers them itself, and it refuses a target with a version."""
    made = toolchain(tmp_path, CxxRuntime(root=tmp_path / "root", version="12", digest="d" * 64))
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
        return subprocess.run(argv, env=env, capture_output=True, text=True, check=False, timeout=PATIENCE_S)

    assert ask(str(tmp_path / "sysroot"), "--libs", "cap").stdout.split() == [
        f"-L{tmp_path}/sysroot/usr/lib/x",
        "-lcap",
    ]
    assert ask("", "--version").returncode == 0, "meson asks for that first"
    assert ask("", "--exists", "cap").returncode and ask("", "--exists", "zlib").returncode


def test_the_boards_cxx_library_is_linked_when_something_is_linked(tmp_path: Path) -> None:
    made = toolchain(tmp_path, CxxRuntime(root=tmp_path / "root", version="12", digest="d" * 64))
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
    other = CxxRuntime(root=tmp_path, version="12", digest="e" * 64)
    assert toolchain(folders[0], other).digest != one.digest
    assert toolchain(folders[0]).folder == one.folder


def test_every_name_of_a_compiler_of_this_machine_leads_to_the_boards(plain: Toolchain, tmp_path: Path) -> None:
    """Versioned names are not known beforehand: what the system's folders have counts."""
    machine = os.uname().machine
    names = ("gcc-12", f"{machine}-linux-gnu-gcc-12", f"{machine}-linux-gnu-g++", "clang++-19", "cpp-12", "gfortran-12")
    others = ("gcc-ar-12", "arm-none-eabi-gcc", "nvcc", "gccmakedep", "python3")
    (tmp_path / "bin").mkdir()
    for name in (*names, *others):
        (tmp_path / "bin" / name).touch()
    shadow_compilers(plain, tmp_path / "shadow", f"/nowhere:{tmp_path}/bin")
    assert {path.name for path in (tmp_path / "shadow").iterdir()} == set(names)
    assert (tmp_path / "shadow/gcc-12").resolve() == (plain.bin / "cc").resolve()
    assert (tmp_path / "shadow/clang++-19").resolve() == (plain.bin / "c++").resolve()
    fortran = subprocess.run([str(tmp_path / "shadow/gfortran-12")], capture_output=True, text=True, check=False)
    assert fortran.returncode == 1 and "no Fortran compiler for the board" in fortran.stderr
