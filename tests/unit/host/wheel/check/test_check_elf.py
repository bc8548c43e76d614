"""ELF files: what they ask for, and that no rubbish makes the reader fail in another way than it says."""

from __future__ import annotations

import io
import struct

import pytest
from elftools.elf.elffile import ELFFile
from hypothesis import given
from hypothesis import strategies as st

from edgekit.host.wheel.check.elf import ElfFacts, SymbolVersion, read_elf
from edgekit.host.wheel.check.symbols import Damaged
from tests.fakes.elf_files import CUDA, X86_64, Library

WHOLE = Library(
    soname="libpart.so.1",
    needed=("libc.so.6", "libm.so.6"),
    rpath="$ORIGIN/../part.libs:/opt/part",
    imports=("printf@libc.so.6@GLIBC_2.17", "fmod@libm.so.6@GLIBC_2.38", "exp@libm.so.6@GLIBC_2.29", "PyList_New"),
    exports=("PyInit__part",),
).build()


def read(content: bytes) -> ElfFacts:
    return read_elf(io.BytesIO(content))


def test_everything_that_it_asks_for() -> None:
    facts = read(WHOLE)
    assert (facts.machine, facts.is_loaded, facts.soname) == ("aarch64", True, "libpart.so.1")
    assert facts.needed == ("libc.so.6", "libm.so.6")
    assert facts.rpaths == ("$ORIGIN/../part.libs", "/opt/part")
    assert facts.versions == (
        SymbolVersion(library="libc.so.6", name="GLIBC_2.17", symbol="printf"),
        SymbolVersion(library="libm.so.6", name="GLIBC_2.38", symbol="fmod"),
    )
    assert facts.python_symbols == {"PyList_New"}
    assert facts.python_exports == {"PyInit__part"} and facts.alignment_bytes == 0x10000
    assert not facts.executable_stack and not facts.text_relocations


def test_versions_compare_as_numbers() -> None:
    facts = read(Library(imports=("a@libc.so.6@GLIBC_2.9", "b@libc.so.6@GLIBC_2.17")).build())
    assert [version.name for version in facts.versions] == ["GLIBC_2.17"]


def test_what_may_be_missing_is_not_asked_for() -> None:
    facts = read(Library(imports=("?PyNewer_Thing", "a@libc.so.6@GLIBC_2.99?")).build())
    assert facts.python_symbols == frozenset() and facts.versions == ()


def test_packed_relocations_ask_for_the_glibc_that_knows_them() -> None:
    [version] = read(Library(imports=("x@libc.so.6@GLIBC_ABI_DT_RELR",)).build()).versions
    assert version.named == ("GLIBC", (2, 36)) and version.glibc == (2, 36)


def test_private_versions_have_no_number() -> None:
    [version] = read(Library(imports=("x@libc.so.6@GLIBC_PRIVATE",)).build()).versions
    assert version.named == ("GLIBC", ())


@pytest.mark.parametrize(
    ("machine", "flags", "executable"),
    [(183, 6, False), (183, 7, True), (183, None, False), (X86_64, 6, False), (X86_64, None, True)],
)
def test_who_says_nothing_of_the_stack_gets_what_its_machine_is_used_to(
    machine: int, flags: int | None, executable: bool
) -> None:
    assert read(Library(machine=machine, stack_flags=flags).build()).executable_stack is executable


@pytest.mark.parametrize(
    ("alignment", "skew", "page"), [(0x10000, 0, 0x10000), (4096, 0, 4096), (0x10000, 0x3000, 4096), (0, 0x20, 32)]
)
def test_alignment_is_the_largest_page_that_fits(alignment: int, skew: int, page: int) -> None:
    assert read(Library(alignment=alignment, skew=skew).build()).alignment_bytes == page


def test_text_relocations_and_object_files() -> None:
    assert read(Library(text_relocations=True).build()).text_relocations
    assert not read(Library(kind=1).build()).is_loaded


def test_machines_have_names() -> None:
    assert read(Library(machine=X86_64).build()).machine == "x86_64"
    assert read(Library(machine=CUDA).build()).machine == "EM_CUDA"
    big, narrow = bytearray(WHOLE), bytearray(WHOLE)
    narrow[4] = 1
    assert "32-bit" in read(bytes(narrow)).machine
    big[5] = 2
    assert "big-endian" in read(bytes(big)).machine


def test_without_section_headers_it_is_not_taken_for_harmless() -> None:
    stripped = bytearray(WHOLE)
    struct.pack_into("<Q", stripped, 40, 0)
    struct.pack_into("<H", stripped, 60, 0)
    with pytest.raises(Damaged, match="section headers"):
        read(bytes(stripped))


def test_a_table_of_versions_that_leads_in_circles_ends() -> None:
    content = bytearray(WHOLE)
    sections = ELFFile(io.BytesIO(WHOLE)).iter_sections()
    at = next(section["sh_offset"] for section in sections if section["sh_type"] == "SHT_GNU_verneed")
    struct.pack_into("<H", content, at + 2, 0xFFFF)  # so many entries
    struct.pack_into("<I", content, at + 28, 1)  # each a byte behind the one before
    with pytest.raises(Damaged):
        read(bytes(content))


@pytest.mark.parametrize("end", range(0, len(WHOLE), 7))
def test_every_cut_is_told(end: int) -> None:
    with pytest.raises(Damaged):
        read(WHOLE[:end])


@given(st.lists(st.tuples(st.integers(0, len(WHOLE) - 1), st.integers(0, 255)), min_size=1, max_size=6))
def test_flipped_bytes_raise_nothing_else(changes: list[tuple[int, int]]) -> None:
    content = bytearray(WHOLE)
    for at, value in changes:
        content[at] = value
    try:
        read(bytes(content))
    except Damaged as error:
        assert str(error)


@given(st.binary(max_size=300))
def test_rubbish_behind_the_magic_raises_nothing_else(rubbish: bytes) -> None:
    with pytest.raises(Damaged):
        read(b"\x7fELF\x02\x01\x01" + rubbish)
