"""Wheels and folders of packages, judged whole."""

from __future__ import annotations

import dataclasses
import zipfile
from pathlib import Path

import pytest

from edgekit.errors import InputError
from edgekit.host.wheel.check.audit import check_site, check_wheel, check_wheels
from edgekit.host.wheel.check.loads import Loads
from tests.fakes.elf_files import X86_64, Library
from tests.fakes.faulty_wheels import MODULE, TAG, write_wheel

LOADS = Loads(
    target="board",
    arch="aarch64",
    python="3.11",
    soabi="cpython-311-aarch64-linux-gnu",
    page_bytes=4096,
    ceilings={"GLIBC": (2, 36)},
    libraries=("libc.so.6",),
    cures=(),
    exports=frozenset({"PyList_New"}),
)


def install(wheel: Path, site: Path) -> Path:
    """As an installer does."""
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    return site


def test_a_report_tells_what_a_wheel_asks_for(tmp_path: Path) -> None:
    module = Library(needed=("libc.so.6", "libpart.so.1"), imports=("a@libc.so.6@GLIBC_2.34",)).build()
    files = {MODULE: module, "part.libs/libpart.so.1": Library(soname="libpart.so.1").build()}
    report = check_wheel(write_wheel(tmp_path, files), LOADS)
    assert report.faults == ()
    assert (report.package, report.elf_files, report.machines) == ("part 1.0", 2, ("aarch64",))
    assert (report.versions, report.needed) == ({"GLIBC": "2.34"}, ("libc.so.6",))
    assert (report.tags, report.true_platform) == ((TAG,), "manylinux_2_34_aarch64")


@pytest.mark.parametrize(
    ("tag", "fits"),
    [
        ("cp311-cp311-manylinux_2_36_aarch64", True),
        ("cp311-cp311-linux_aarch64", True),
        ("cp38-abi3-manylinux2014_aarch64", True),
        ("py3-none-any", True),
        ("py2.py3-none-any", True),
        ("cp310-cp310-manylinux_2_17_aarch64", False),
        ("cp312-abi3-manylinux_2_17_aarch64", False),
        ("cp311-cp311-manylinux_2_38_aarch64", False),
        ("cp311-cp311-manylinux_2_17_x86_64", False),
        ("cp311-cp311-musllinux_1_2_aarch64", False),
    ],
)
def test_tags_against_the_target(tag: str, fits: bool, tmp_path: Path) -> None:
    found = check_wheel(write_wheel(tmp_path, {}, tag=tag), LOADS).faults
    assert [fault.code for fault in found] == ([] if fits else ["tag"])
    assert all(tag in fault.message and "3.11" in fault.message for fault in found)


def test_the_stable_abi_is_that_of_the_oldest_tag(tmp_path: Path) -> None:
    files = {"part/_part.abi3.so": Library(imports=("PyUnicode_AsUTF8AndSize",)).build()}
    [fault] = check_wheel(write_wheel(tmp_path, files, tag="cp39-abi3-manylinux_2_17_aarch64"), LOADS).faults
    assert fault.code == "abi" and "3.9" in fault.message
    assert check_wheel(write_wheel(tmp_path, files, tag="cp310-abi3-manylinux_2_17_aarch64"), LOADS).faults == ()


def test_wheels_checked_together_share_their_libraries(tmp_path: Path) -> None:
    taker = write_wheel(tmp_path, {MODULE: Library(needed=("libother.so.1",)).build()})
    giver = write_wheel(tmp_path, {"other/libother.so.1": Library().build()}, tag="py3-none-manylinux_2_17_aarch64")
    assert [fault.code for fault in check_wheel(taker, LOADS).faults] == ["library"]
    assert [report.faults for report in check_wheels((taker, giver), LOADS)] == [(), ()]


def test_a_library_for_another_machine_does_not_count_as_brought(tmp_path: Path) -> None:
    other = Library(machine=X86_64, soname="libpart.so.1").build()
    files = {MODULE: Library(needed=("libpart.so.1",)).build(), "part/x86_64/libpart.so.1": other}
    assert [fault.code for fault in check_wheel(write_wheel(tmp_path, files), LOADS).faults] == ["library"]


def test_a_folder_of_packages_names_package_and_file(tmp_path: Path) -> None:
    files = {MODULE: Library(needed=("libgone.so.1",)).build(), "part/data.bin": b"\x7fELF", "part/a,b.so": b"text"}
    site = install(write_wheel(tmp_path, files), tmp_path / "site")
    assert [(fault.package, fault.file, fault.code) for fault in check_site(site, LOADS)] == [
        ("part 1.0", MODULE, "library"),
        ("part 1.0", "part/data.bin", "truncated"),
    ]


@pytest.mark.parametrize("path", ["part/libfast.so", "part-1.0.data/data/share/part/table.bin"])
def test_a_file_for_another_machine_in_a_wheel_for_any_machine(path: str, tmp_path: Path) -> None:
    """Nothing imports it: Python loads it with ctypes, and only on the board would that fail."""
    wheel = write_wheel(tmp_path, {path: Library(machine=X86_64).build()}, tag="py3-none-any")
    [fault] = check_wheel(wheel, LOADS).faults
    assert (fault.code, fault.file, fault.severity) == ("machine", path, "refuse")
    if ".data/" not in path:
        assert [fault.code for fault in check_site(install(wheel, tmp_path / "site"), LOADS)] == ["machine"]


def test_files_for_other_machines_that_say_so_are_noted(tmp_path: Path) -> None:
    files = {"part/attach_linux_amd64.so": Library(machine=X86_64).build()}
    wheel = write_wheel(tmp_path, files, tag="py3-none-any")
    report = check_wheel(wheel, LOADS)
    assert report.faults == () and [note.file for note in report.notes] == ["part/attach_linux_amd64.so"]
    assert report.true_platform != "any"
    assert check_site(install(wheel, tmp_path / "site"), LOADS) == ()


def test_a_file_for_the_target_in_a_wheel_for_any_machine_breaks_its_name(tmp_path: Path) -> None:
    wheel = write_wheel(tmp_path, {"part/libfast.so": Library().build()}, tag="py3-none-any")
    [fault] = check_wheel(wheel, LOADS).faults
    assert (fault.code, fault.severity) == ("tag", "warn") and "for any machine" in fault.message
    assert check_site(install(wheel, tmp_path / "site"), LOADS) == ()


def test_what_is_untidy_stays_in_a_folder(tmp_path: Path) -> None:
    wheel = write_wheel(tmp_path, {MODULE: Library(rpath="/home/ann/lib").build()})
    assert [fault.code for fault in check_wheel(wheel, LOADS).faults] == ["rpath"]
    assert check_site(install(wheel, tmp_path / "site"), LOADS) == ()


def test_packages_of_a_folder_share_their_libraries(tmp_path: Path) -> None:
    site = tmp_path / "site"
    install(write_wheel(tmp_path, {MODULE: Library(needed=("libother.so.1",)).build()}), site)
    (site / "other").mkdir()
    (site / "other/libother.so.1").write_bytes(Library().build())
    (site / "other-2.dist-info").mkdir()
    (site / "other-2.dist-info/RECORD").write_text("other/libother.so.1,,\nother/gone.so,,\n")
    assert check_site(site, LOADS) == ()
    assert check_site(tmp_path / "empty", LOADS) == ()


def test_big_pages(tmp_path: Path) -> None:
    wheel = write_wheel(tmp_path, {MODULE: Library(alignment=4096).build()})
    assert check_wheel(wheel, LOADS).faults == ()
    [fault] = check_wheel(wheel, dataclasses.replace(LOADS, page_bytes=65536)).faults
    assert fault.code == "alignment"


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.whl cannot be read"):
        check_wheel(tmp_path / "none.whl", LOADS)
