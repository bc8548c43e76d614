"""What a rule asks for is there before a build begins: sysroots, CUDA's headers out of wheels, libraries of names."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from edgekit.errors import WheelError
from edgekit.executor import Completed, Stream
from edgekit.host.progress import Silent
from edgekit.host.wheel.cross.abi import Abi
from edgekit.host.wheel.cross.environment import Extras, Workshop
from edgekit.host.wheel.cross.extras import Supplies, for_board, make_extras
from edgekit.host.wheel.cross.headers import TargetPython
from edgekit.host.wheel.cross.packages import NO_RULE, Rule, Stub
from edgekit.host.wheel.cross.toolchain import Toolchain
from edgekit.host.wheel.debian import Debian, NoArchive
from edgekit.host.wheel.interpreter import Interpreter
from edgekit.host.wheel.needs import Wanted
from edgekit.host.wheel.uv import Uv

ABI = Abi(python="3.11", arch="aarch64", glibc="2.36", soabi="cpython-311-aarch64-linux-gnu")
CUDA = Rule(
    reason="headers of CUDA",
    cuda="12.6",
    cuda_wheels=("nvidia-cuda-runtime-cu12==12.6.77 --hash=sha256:" + "0" * 64,),
    stubs=(Stub(soname="libcuda.so.1", link="libcuda.so", headers=("cuda.h",), pattern=r"\bcu[A-Z]\w*"),),
    environment={"CUDA_ROOT": "@CUDA@", "CPATH": "@SYSROOT@/x:@PYTHON@"},
    files={"siteconf.py": 'CUDA_INC_DIR = ["@CUDA@/include"]'},
    config_settings={"setup-args": ("-Dcuda=@CUDA@",)},
)


class Tools:
    """Stands for uv, which installs two of NVIDIA's wheels, and for a compiler, which keeps what it was given."""

    name = "this machine"

    def __init__(self) -> None:
        self.asked: list[tuple[str, ...]] = []
        self.installs = True
        self.compiled: list[str] = []

    def run(
        self,
        argv: Sequence[str],
        *,
        timeout_s: float,
        stdin: bytes = b"",
        env: Mapping[str, str] | None = None,
        cwd: str | None = None,
    ) -> Completed:
        self.asked.append(tuple(argv))
        if "--target" in argv and self.installs:
            self.install(Path(argv[argv.index("--target") + 1]))
        if "-o" in argv:
            self.compiled.append(Path(argv[-1]).read_text())
            Path(argv[argv.index("-o") + 1]).write_bytes(b"library")
        return Completed(argv=tuple(argv), returncode=0 if self.installs else 1, stdout=b"", stderr=b"no such version")

    def install(self, folder: Path) -> None:
        names = ("cuda_runtime/include/cuda.h", "curand/include/curand.h", "curand/lib/libcurand.so.10")
        (folder / "nvidia_cuda-12.dist-info").mkdir(parents=True)
        (folder / "nvidia_cuda-12.dist-info/RECORD").write_text("".join(f"nvidia/{name},,\n" for name in names))
        for name in names:
            (folder / "nvidia" / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / "nvidia" / name).write_text("CUresult cuInit(int); CUresult cuMemAlloc_v2(); cudaError x;\n")

    def open(self, argv: Sequence[str]) -> Stream:
        raise NotImplementedError

    def close(self) -> None:
        pass


@pytest.fixture
def tools() -> Tools:
    return Tools()


@pytest.fixture
def shop(tmp_path: Path) -> Workshop:
    return Workshop(
        abi=ABI,
        toolchain=Toolchain(folder=tmp_path / "toolchain", zig="0.14.1", runtime="libstdc++ 12", digest="t"),
        python=TargetPython(folder=tmp_path / "python", origin="here", digest="p"),
        interpreter=Interpreter(path=Path("/usr/bin/python3"), version="3.11.7", prefix=Path("/usr")),
        cache=tmp_path / "cache",
        jobs=1,
    )


@pytest.fixture
def supplies(tmp_path: Path, tools: Tools) -> Supplies:
    data = tmp_path / "debian"
    data.mkdir()
    (data / "sets.toml").write_text('[sets.libcap]\nsuite = "bookworm"\npackages = ["libcap2"]\nreason = "x"\n')
    (data / "bookworm.lock").write_text(f"libcap2 2.66 {'0' * 64} 5 pool/libcap2.deb\n")
    debian = Debian(
        data=data,
        roots=tmp_path / "roots",
        answers=tmp_path / "answers",
        downloads=tmp_path / "downloads",
        archive="none",
        executor=tools,
        progress=Silent(),
    )
    return Supplies(
        debian=debian,
        uv=Uv(tools, "uv"),
        executor=tools,
        progress=Silent(),
        roots=tmp_path / "roots",
        wanted=Wanted(requirements=(), python="3.11", arch="aarch64", libc_version="2.36"),
    )


def test_a_package_without_a_rule_takes_nothing(shop: Workshop, supplies: Supplies, tools: Tools) -> None:
    made = make_extras("lap 0.5", NO_RULE, shop, supplies)
    assert not made.environment and not made.digest and not tools.asked


def test_cudas_headers_and_libraries_become_one_root(shop: Workshop, supplies: Supplies, tools: Tools) -> None:
    made = make_extras("pycuda 2026.1", CUDA, shop, supplies)
    root = Path(made.environment["CUDA_ROOT"])
    assert (root / "include/cuda.h").is_file() and (root / "include/curand.h").is_file()
    assert (root / "lib/libcurand.so").resolve() == root / "lib/libcurand.so.10", "linkers look for the plain name"
    assert made.environment["CPATH"] == f"/x:{shop.python.folder}"
    assert made.files == {"siteconf.py": f'CUDA_INC_DIR = ["{root}/include"]'}
    assert made.config_settings == {"setup-args": (f"-Dcuda={root}",)}
    install = next(argv for argv in tools.asked if "--target" in argv)
    assert "--require-hashes" in install and "aarch64-manylinux_2_36" in install
    asked = len(tools.asked)
    assert make_extras("pycuda 2026.1", CUDA, shop, supplies) == made
    assert len(tools.asked) == asked, "it is kept"


def test_a_library_of_names_has_every_name_of_the_headers(shop: Workshop, supplies: Supplies, tools: Tools) -> None:
    made = make_extras("pycuda 2026.1", CUDA, shop, supplies)
    root = Path(made.environment["CUDA_ROOT"])
    assert (root / "lib/libcuda.so").read_bytes() == b"library"
    assert not list(root.glob("*.s"))
    [assembly] = tools.compiled
    assert ".globl cuInit\n" in assembly and ".globl cuMemAlloc_v2\n" in assembly and "cudaError" not in assembly
    compiled = next(argv for argv in tools.asked if "-shared" in argv)
    assert compiled[0] == str(shop.toolchain.bin / "cc") and "-Wl,-soname,libcuda.so.1" in compiled


def test_an_empty_library_is_not_made(shop: Workshop, supplies: Supplies) -> None:
    """A linker would drop it without a word, and the module could not load."""
    rule = dataclasses.replace(CUDA, stubs=(dataclasses.replace(CUDA.stubs[0], pattern=r"\bnv[A-Z]\w*"),))
    with pytest.raises(WheelError, match=r"libcuda\.so would have no names"):
        make_extras("pycuda 2026.1", rule, shop, supplies)
    assert not list(supplies.roots.glob("[!.]*"))


def test_headers_that_cannot_be_had(shop: Workshop, supplies: Supplies, tools: Tools) -> None:
    tools.installs = False
    with pytest.raises(WheelError, match=r"CUDA 12\.6's headers cannot be had") as raised:
        make_extras("pycuda 2026.1", CUDA, shop, supplies)
    assert raised.value.details == "no such version" and not list(supplies.roots.glob("[!.]*"))


def test_who_takes_debians_packages_is_named_where_there_are_none(shop: Workshop, supplies: Supplies) -> None:
    rule = Rule(reason="capabilities", sysroot=("libcap",))
    with pytest.raises(
        NoArchive, match=r"python-prctl 1\.8\.1 takes libcap out of Debian's packages, and this machine"
    ):
        make_extras("python-prctl 1.8.1", rule, shop, supplies)


def test_arm64s_libraries_are_for_arm64(shop: Workshop, supplies: Supplies) -> None:
    other = dataclasses.replace(shop, abi=dataclasses.replace(ABI, arch="x86_64"))
    with pytest.raises(WheelError, match=r"pycuda 2026\.1 takes libraries .* the target is x86_64"):
        make_extras("pycuda 2026.1", CUDA, other, supplies)


def test_the_same_parts_have_the_same_digest(shop: Workshop, supplies: Supplies) -> None:
    one = make_extras("pycuda 2026.1", CUDA, shop, supplies)
    elsewhere = dataclasses.replace(supplies, roots=supplies.roots / "elsewhere")
    assert make_extras("pycuda 2026.1", CUDA, shop, elsewhere).digest == one.digest, "folders of the cache do not count"
    changed = dataclasses.replace(CUDA, environment={})
    assert make_extras("pycuda 2026.1", changed, shop, supplies).digest != one.digest


def test_what_the_board_brings_counts_where_libraries_are_put_into_wheels(tmp_path: Path) -> None:
    """The same package for two boards, one of which has libcap: its wheel is another."""
    plain, rooted = Extras(digest="x"), Extras(digest="x", sysroot=tmp_path)
    assert for_board(plain, ("libcap.so.2",)) == plain
    one, other = for_board(rooted, ("libcap.so.2",)), for_board(rooted, ())
    assert len({rooted.digest, one.digest, other.digest}) == 3 and one == for_board(rooted, ("libcap.so.2",))
