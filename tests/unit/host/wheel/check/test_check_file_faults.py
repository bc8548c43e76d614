"""Which ELF files of a package a target cannot load, and how that is said."""

from __future__ import annotations

import dataclasses
import io

import pytest

from edgekit.host.wheel.check.elf import read_elf
from edgekit.host.wheel.check.faults import Fault
from edgekit.host.wheel.check.file_faults import Place, file_faults
from edgekit.host.wheel.check.loads import Cure, Loads
from edgekit.host.wheel.check.symbols import Damaged
from tests.fakes.elf_files import CUDA, X86_64, Library

MODULE = "part/_part.cpython-311-aarch64-linux-gnu.so"
LOADS = Loads(
    target="board",
    arch="aarch64",
    python="3.11",
    soabi="cpython-311-aarch64-linux-gnu",
    page_bytes=4096,
    ceilings={"GLIBC": (2, 36), "GLIBCXX": (3, 4, 30), "CXXABI": (1, 3, 13), "GCC": (12, 0, 0)},
    libraries=("libc.so.6", "libm.so.6", "libnvinfer*.so.*"),
    cures=(Cure(library="libGL.so.*", hint="take the headless variant"),),
    exports=frozenset({"PyList_New", "_PyList_Extend"}),
)
PLACE = Place(package="part 1.0", names=frozenset(), present=frozenset(), abi3="")


def faults(library: Library, path: str = MODULE, place: Place = PLACE, loads: Loads = LOADS) -> list[Fault]:
    return list(file_faults({path: read_elf(io.BytesIO(library.build()))}, place, loads))


def codes(library: Library, path: str = MODULE, place: Place = PLACE, loads: Loads = LOADS) -> list[str]:
    return [fault.code for fault in faults(library, path, place, loads) if fault.severity != "note"]


def place(**changes: object) -> Place:
    return dataclasses.replace(PLACE, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("symbol", "told"),
    [
        ("fmod@libm.so.6@GLIBC_2.36", ""),
        ("fmod@libm.so.6@GLIBC_2.38", "asks for GLIBC_2.38 (fmod of libm.so.6), board has GLIBC_2.36"),
        ("x@libc.so.6@GLIBC_2.100", "asks for GLIBC_2.100 (x of libc.so.6), board has GLIBC_2.36"),
        ("new@libstdc++.so.6@GLIBCXX_3.4.9", ""),
        ("new@libstdc++.so.6@GLIBCXX_3.4.33", "(new of libstdc++.so.6), board has GLIBCXX_3.4.30"),
        ("new@libstdc++.so.6@CXXABI_1.3.15", "board has CXXABI_1.3.13"),
        ("new@libgcc_s.so.1@GCC_14.0.0", "board has GCC_12.0.0"),
        ("av@libavutil.so.60@LIBAVUTIL_60", ""),
        ("x@libc.so.6@GLIBC_PRIVATE", ""),
    ],
)
def test_versions_against_the_boards(symbol: str, told: str) -> None:
    found = faults(Library(imports=(symbol,)))
    assert len(found) == bool(told)
    for fault in found:
        assert fault.code == ("glibc" if "GLIBC_" in told else "libstdcxx") and told in fault.message


def test_a_library_that_the_package_brings_may_have_any_version() -> None:
    own = place(present=frozenset({"libstdc++-0a1b2c.so.6"}))
    assert codes(Library(imports=("new@libstdc++-0a1b2c.so.6@GLIBCXX_3.4.40",)), place=own) == []


@pytest.mark.parametrize(
    ("needed", "hint"),
    [
        ("libc.so.6", None),
        ("libnvinfer_plugin.so.10", None),
        ("libhere.so.2", None),
        ("libGL.so.1", "take the headless variant"),
        ("libgone.so.3", 'os.libraries = ["libgone.so.3"] in targets/board.toml'),
    ],
)
def test_libraries(needed: str, hint: str | None) -> None:
    found = faults(Library(needed=(needed,)), place=place(present=frozenset({"libhere.so.2"})))
    assert [fault.code for fault in found] == ([] if hint is None else ["library"])
    assert all(needed in fault.message and (hint or "") in fault.hint for fault in found)


@pytest.mark.parametrize(
    ("rpath", "untidy"),
    [
        ("$ORIGIN", False),
        ("${ORIGIN}/../../nvidia/cublas/lib", False),
        ("/usr/lib/aarch64-linux-gnu", False),
        ("/usr/local/lib:/lib64", False),
        ("/usr/local/cuda-12.6/lib64", False),
        ("/usr/lib/x86_64-linux-gnu", True),
        ("/home/ann/venv/lib", True),
        ("/usr/libexec", True),
        ("/opt/_internal/cpython-3.11/lib", True),
        ("build/lib", True),
    ],
)
def test_search_paths_of_the_machine_that_made_it_are_untidy(rpath: str, untidy: bool) -> None:
    found = faults(Library(rpath=rpath))
    assert [(fault.code, fault.severity) for fault in found] == ([("rpath", "warn")] if untidy else [])
    assert all(rpath in fault.message for fault in found)


def test_segments() -> None:
    assert codes(Library(stack_flags=7)) == ["executable-stack"]
    assert codes(Library(text_relocations=True)) == ["text-relocations"]
    large = dataclasses.replace(LOADS, page_bytes=16384)
    assert codes(Library(alignment=4096)) == []
    [fault] = faults(Library(alignment=4096), loads=large)
    assert fault.code == "alignment" and "4.0 KiB" in fault.message and "16.0 KiB" in fault.message
    assert codes(Library(alignment=16384), loads=large) == []


def test_a_damaged_file_is_told_with_its_cause() -> None:
    [fault] = file_faults({MODULE: Damaged("it ends after 3 of 9 bytes")}, PLACE, LOADS)
    assert (fault.code, fault.file) == ("truncated", MODULE) and "3 of 9" in fault.message


@pytest.mark.parametrize(
    ("path", "machine", "severities"),
    [
        (MODULE, X86_64, ["refuse"]),
        ("part/bin/tool", X86_64, ["refuse"]),
        ("part/libpart.so", X86_64, ["refuse"]),
        ("part-1.0.data/data/share/part/model.bin", X86_64, ["refuse"]),
        ("part/_part.cpython-311-x86_64-linux-gnu.so", X86_64, ["refuse"]),
        ("part/attach_linux_amd64.so", X86_64, ["note"]),
        ("part/bin/linux-x86_64/tool", X86_64, ["note"]),
        ("part/bootloader/Linux-64bit-intel/run", X86_64, ["note"]),
        ("part/kernel.cubin", CUDA, []),
    ],
)
def test_files_for_other_machines_are_found_wherever_they_lie(path: str, machine: int, severities: list[str]) -> None:
    """Only a package whose own paths tell machines apart carries them on purpose."""
    found = faults(Library(machine=machine), path)
    assert [fault.severity for fault in found] == severities
    assert all(fault.code == "machine" and "is for x86_64, board is aarch64" in fault.message for fault in found)


def test_object_files_are_data_and_told() -> None:
    [note] = faults(Library(machine=X86_64, kind=1), "part/part.o")
    assert note.severity == "note" and "nothing loads" in note.message
    assert faults(Library(kind=1), "part/part.o") == []


@pytest.mark.parametrize(
    ("path", "imports", "abi3", "told"),
    [
        (MODULE, ("PyList_New", "_PyList_Extend"), "", ""),
        (MODULE, ("PyOld_Gone", "PyOld_Too"), "", "takes PyOld_Gone and 1 more from Python, which Python 3.11"),
        (MODULE.replace("311", "310"), (), "", "is a module for cpython-310-aarch64-linux-gnu"),
        ("part/_part.pypy310-pp73-aarch64-linux-gnu.so", (), "", "is a module for pypy310"),
        ("part/_part.cpython-311-x86_64-linux-gnu.so", (), "", "is a module for cpython-311-x86_64"),
        ("part/_part.so", ("PyOld_Gone",), "", "Python 3.11 does not have"),
        ("part/_part.abi3.so", ("PyList_New",), "3.9", ""),
        ("part/_part.abi3.so", ("_PyList_Extend",), "3.9", "takes _PyList_Extend"),
        ("part/_part.abi3.so", ("PyUnicode_AsUTF8AndSize",), "3.9", "the stable ABI of Python 3.9 does not have"),
        ("part/_part.abi3.so", ("PyUnicode_AsUTF8AndSize",), "3.10", ""),
        ("part/_part.abi3.so", ("PyUnicode_AsUTF8AndSize",), "", ""),
        ("part/_part.so", ("_PyList_Extend",), "3.9", "the stable ABI of Python 3.9"),
    ],
)
def test_what_is_taken_from_python(path: str, imports: tuple[str, ...], abi3: str, told: str) -> None:
    found = faults(Library(imports=imports), path, place(abi3=abi3))
    assert [fault.code for fault in found] == (["abi"] if told else [])
    assert all(told in fault.message for fault in found)


def test_modules_for_several_pythons_beside_the_right_one() -> None:
    assert codes(Library(), MODULE.replace("311", "310"), place(names=frozenset({MODULE}))) == []


def test_symbols_that_another_file_of_the_package_brings() -> None:
    files = {
        MODULE: read_elf(io.BytesIO(Library(imports=("PyPart_Run",)).build())),
        "part/libpart.so": read_elf(io.BytesIO(Library(exports=("PyPart_Run",)).build())),
    }
    assert file_faults(files, PLACE, LOADS) == ()


def test_an_unknown_python_is_not_judged() -> None:
    unknown = dataclasses.replace(LOADS, exports=frozenset())
    assert codes(Library(imports=("PyOld_Gone",)), loads=unknown) == []
