"""What a compiler of this machine has made is found, and what a package ships is not taken for it."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from edgekit.errors import WheelError
from edgekit.host.wheel.cross.machine_code import check_machine_code, foreign_code
from edgekit.host.wheel.cross.sources import Source
from tests.fakes.elf_files import CUDA, X86_64, Library
from tests.fakes.faulty_wheels import write_wheel

SOURCE = Source(name="gate", version="1.0", sha256="0" * 64, filename="gate-1.0.tar.gz")
FOREIGN = Library(machine=X86_64).build()
OBJECT = Library(machine=X86_64, kind=1).build()
LOG = "make: Entering directory 'csrc'\n/usr/bin/gcc -shared -fPIC -O2 x.c -o libfast.so\n"


def judge(folder: Path, files: dict[str, bytes], shipped: frozenset[str] = frozenset(), said: str = LOG) -> None:
    (folder / "source").mkdir(exist_ok=True)
    check_machine_code(SOURCE, (folder / "source", write_wheel(folder, files)), shipped, "aarch64", said)


def test_what_a_compiler_of_this_machine_made_is_refused_with_its_name(tmp_path: Path) -> None:
    with pytest.raises(WheelError) as caught:
        judge(tmp_path, {"gate/libfast.so": FOREIGN})
    assert "gate/libfast.so is for x86_64" in caught.value.message and "/usr/bin/gcc" in caught.value.message
    assert "$CC" in caught.value.hint and "cross/packages/gate.toml" in caught.value.hint


@pytest.mark.parametrize("content", [FOREIGN, OBJECT])
def test_what_was_made_on_the_way_is_refused_too(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "source/build").mkdir(parents=True)
    (tmp_path / "source/build/part.o").write_bytes(content)
    with pytest.raises(WheelError, match=r"build/part\.o is for x86_64.* a compiler of this machine, was called"):
        judge(tmp_path, {}, said="")


def test_what_the_sources_ship_was_not_made_here(tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    (tmp_path / "source/blob.so").write_bytes(FOREIGN)
    judge(tmp_path, {"gate/linux-x86_64/blob.so": FOREIGN}, foreign_code(tmp_path / "source", "aarch64"))
    with pytest.raises(WheelError, match="is for x86_64"):
        judge(tmp_path, {"gate/blob.so": FOREIGN + b"\0"}, foreign_code(tmp_path / "source", "aarch64"))


def test_tools_of_a_build_and_data_for_coprocessors_are_none_of_it(tmp_path: Path) -> None:
    (tmp_path / "source/.eggs").mkdir(parents=True)
    (tmp_path / "source/.eggs/numpy.so").write_bytes(FOREIGN)
    tool = bytearray(FOREIGN)
    struct.pack_into("<H", tool, 16, 2)  # ET_EXEC
    (tmp_path / "source/protoc").write_bytes(tool)
    judge(tmp_path, {"gate/kernel.cubin": Library(machine=CUDA).build(), "gate/part.so": Library().build()})
    with pytest.raises(WheelError, match="gate/protoc"):
        judge(tmp_path, {"gate/protoc": bytes(tool)})
