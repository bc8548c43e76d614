"""Which files of a package Python imports, and which its own code loads."""

from __future__ import annotations

from pathlib import Path

from edgekit.host.wheel.trial.modules import Compiled, compiled_parts
from tests.fakes.elf_files import X86_64, Library


def write(site: Path, **files: bytes) -> None:
    (site / "My_Gate-1.0.dist-info").mkdir(parents=True, exist_ok=True)
    names = {name.replace("__", "/").replace("_DOT_", "."): content for name, content in files.items()}
    (site / "My_Gate-1.0.dist-info/RECORD").write_text("".join(f"{name},,\n" for name in names) + "../../bin/x.so,,\n")
    for name, content in names.items():
        (site / name).parent.mkdir(parents=True, exist_ok=True)
        (site / name).write_bytes(content)


def module(name: str, **more: object) -> bytes:
    return Library(exports=(f"PyInit_{name}",), **more).build()  # type: ignore[arg-type]


def test_modules_and_libraries_that_nothing_links(tmp_path: Path) -> None:
    write(
        tmp_path,
        gate__fast_DOT_cpython_DOT_so=b"no ELF file",
        gate__one_DOT_abi3_DOT_so=module("one", needed=("libpart.so.1",)),
        gate__two_DOT_so=module("two"),
        gate__libpart_DOT_so_DOT_1=Library(soname="libpart.so.1").build(),
        gate__libalone_DOT_so=Library().build(),
        gate__libother_DOT_so=Library(machine=X86_64).build(),
        gate__data_DOT_txt=b"",
    )
    assert [(part.kind, str(part)) for part in compiled_parts(tmp_path, "my-gate", "aarch64")] == [
        ("library", "libalone.so"),
        ("module", "gate.one"),
        ("module", "gate.two"),
    ]
    assert compiled_parts(tmp_path, "another", "aarch64") == ()


def test_a_module_of_the_targets_python_by_its_whole_suffix(tmp_path: Path) -> None:
    path = "gate/_ext.cpython-311-aarch64-linux-gnu.so"
    write(tmp_path)
    (tmp_path / "gate").mkdir()
    (tmp_path / path).write_bytes(module("_ext"))
    (tmp_path / "My_Gate-1.0.dist-info/RECORD").write_text(f"{path},,\n")
    assert compiled_parts(tmp_path, "my-gate", "aarch64") == (Compiled(kind="module", name="gate._ext"),)
