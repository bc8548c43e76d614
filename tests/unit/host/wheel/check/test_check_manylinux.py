"""The tag that compiled files earn."""

from __future__ import annotations

import io

import pytest

from edgekit.host.wheel.check.elf import read_elf
from edgekit.host.wheel.check.manylinux import highest_versions, true_platform
from tests.fakes.elf_files import X86_64, Library


@pytest.mark.parametrize(
    ("imports", "platform"),
    [
        ((), "manylinux_2_17_aarch64"),
        (("a@libc.so.6@GLIBC_2.2.5",), "manylinux_2_17_aarch64"),
        (("a@libc.so.6@GLIBC_2.34",), "manylinux_2_34_aarch64"),
        (("a@libc.so.6@GLIBC_ABI_DT_RELR",), "manylinux_2_36_aarch64"),
        (("a@libc.so.6@GLIBC_2.17", "b@libstdc++.so.6@GLIBCXX_3.4.21"), "manylinux_2_24_aarch64"),
        (("a@libstdc++.so.6@GLIBCXX_3.4.30",), "manylinux_2_35_aarch64"),
        (("a@libstdc++.so.6@GLIBCXX_3.4.32",), "manylinux_2_39_aarch64"),
        (("a@libstdc++.so.6@GLIBCXX_3.4.99",), "manylinux_2_41_aarch64"),
        (("a@libstdc++.so.6@CXXABI_1.3.13",), "manylinux_2_34_aarch64"),
        (("a@libgcc_s.so.1@GCC_3.0", "b@libavutil.so.60@LIBAVUTIL_60"), "manylinux_2_17_aarch64"),
    ],
)
def test_true_platform(imports: tuple[str, ...], platform: str) -> None:
    assert true_platform([read_elf(io.BytesIO(Library(imports=imports).build()))], "aarch64") == platform


def test_a_wheel_with_any_elf_file_is_for_a_machine() -> None:
    """An object file, and a file for another machine, ask nothing of the target; `any` would be a promise."""
    others = [Library(machine=X86_64, imports=("a@libc.so.6@GLIBC_2.39",)), Library(kind=1)]
    for other in others:
        assert true_platform([read_elf(io.BytesIO(other.build()))], "aarch64") == "manylinux_2_17_aarch64"
    assert true_platform([], "aarch64") == "any"


def test_highest_versions() -> None:
    files = [Library(imports=("a@libc.so.6@GLIBC_2.17",)), Library(imports=("b@libm.so.6@GLIBC_2.9", "c@x.so@X_1"))]
    facts = [read_elf(io.BytesIO(file.build())) for file in files]
    assert highest_versions(facts) == {"GLIBC": "2.17", "X": "1"}
