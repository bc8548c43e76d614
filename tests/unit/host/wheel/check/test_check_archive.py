"""Archives that lie, escape, blow up or are torn: all are told, none is unpacked, and nothing raises."""

from __future__ import annotations

import base64
import hashlib
import os
import stat
import tracemalloc
import zipfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgekit.host.wheel.check.archive import WheelFile, read_wheel
from tests.fakes import damaged_zips
from tests.fakes.elf_files import Library
from tests.fakes.faulty_wheels import MODULE, TAG, write_wheel

INFO = "part-1.0.dist-info"
TEXT = "part/__init__.py"


def codes(wheel: Path) -> list[tuple[str, str]]:
    return [(fault.code, fault.file) for fault in read_wheel(wheel).faults]


def rewrite(wheel: Path, leave_out: str = "", **changes: bytes) -> Path:
    """The same wheel without a file of its dist-info, or with others, and RECORD as it was."""
    with zipfile.ZipFile(wheel) as archive:
        files = {name: archive.read(name) for name in archive.namelist() if name != f"{INFO}/{leave_out}"}
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in {**files, **{f"{INFO}/{name}": text for name, text in changes.items()}}.items():
            archive.writestr(name, content)
    return wheel


def test_a_right_wheel(tmp_path: Path) -> None:
    found: WheelFile = read_wheel(write_wheel(tmp_path, {MODULE: Library().build(), TEXT: b"x = 1\n"}))
    assert found.faults == () and found.package == "part 1.0"
    assert set(found.elf) == {MODULE} and TEXT in found.names
    assert {str(tag) for tag in found.tags} == {TAG}


@pytest.mark.parametrize("name", ["../../etc/part", "/etc/part", "part/../../x", "c:/part", "part\\..\\x", "part//x"])
def test_a_name_that_leads_elsewhere(name: str, tmp_path: Path) -> None:
    assert codes(write_wheel(tmp_path, {name: b"x"})) == [("path-escape", name)]


def test_a_file_without_a_name(tmp_path: Path) -> None:
    wheel = write_wheel(tmp_path, {TEXT: b""})
    damaged_zips.rename(wheel, TEXT, "\0" * len(TEXT))
    assert codes(wheel) == [("path-escape", "")]


def test_a_link(tmp_path: Path) -> None:
    wheel = write_wheel(tmp_path, {TEXT: b""})
    link = zipfile.ZipInfo("part/link")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(wheel, "a") as archive:
        archive.writestr(link, "/etc/shadow")
    assert codes(wheel) == [("path-escape", "part/link")]


def test_a_bomb_by_its_own_words(tmp_path: Path) -> None:
    [fault] = read_wheel(write_wheel(tmp_path, {"part/big": bytes(60 << 20)})).faults
    assert (fault.code, fault.file) == ("bomb", "part/big") and "60.0 MiB" in fault.message


def test_many_files_that_make_a_bomb_together(tmp_path: Path) -> None:
    wheel = write_wheel(tmp_path, {f"part/{number}": bytes(2 << 20) for number in range(40)})
    [fault] = read_wheel(wheel).faults
    assert fault.code == "bomb" and "43 files" in fault.message


def test_a_bomb_that_announces_ten_bytes_takes_no_memory(tmp_path: Path) -> None:
    wheel = write_wheel(tmp_path, {"part/big": bytes(48 << 20)})
    damaged_zips.understate(wheel, "part/big", bytes(10))
    tracemalloc.start()
    found = codes(wheel)
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found == [("bomb", "part/big")]
    assert peak_bytes < 12 << 20


def test_files_that_share_their_content(tmp_path: Path) -> None:
    wheel = write_wheel(tmp_path, {"part/data": os.urandom(100_000)})
    damaged_zips.share(wheel, "part/data", 50)
    assert ("bomb", "") in codes(wheel)


def test_a_file_that_comes_twice(tmp_path: Path) -> None:
    wheel = write_wheel(tmp_path, {TEXT: b"x = 1\n"})
    with zipfile.ZipFile(wheel, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr(TEXT, b"x = 2\n")
    assert codes(wheel) == [("record", TEXT)]


def test_encrypted_and_spoilt_content(tmp_path: Path) -> None:
    wheel = write_wheel(tmp_path, {TEXT: b"x = 1\n" * 100})
    damaged_zips.encrypt(wheel, TEXT)
    assert codes(wheel) == [("not-a-wheel", TEXT)]
    wheel = write_wheel(tmp_path, {TEXT: b"x = 1\n" * 100})
    damaged_zips.spoil(wheel, TEXT)
    assert codes(wheel) == [("not-a-wheel", TEXT)]


def test_content_packed_by_a_method_that_installers_do_not_know(tmp_path: Path) -> None:
    wheel = write_wheel(tmp_path, {})
    with zipfile.ZipFile(wheel, "a", zipfile.ZIP_LZMA) as archive:
        archive.writestr(TEXT, b"x = 1\n")
    assert codes(wheel) == [("not-a-wheel", TEXT)]


@pytest.mark.parametrize("part", ["WHEEL", "METADATA", "RECORD"])
def test_a_part_that_is_missing(part: str, tmp_path: Path) -> None:
    [fault, *more] = read_wheel(rewrite(write_wheel(tmp_path, {}), leave_out=part)).faults
    assert fault.code == "metadata" and f"{INFO}/{part}" in fault.message
    assert [(other.code, other.file) for other in more] == ([("record", f"{INFO}/{part}")] if part != "RECORD" else [])


def test_another_name_or_version_inside(tmp_path: Path) -> None:
    changed = b"Metadata-Version: 2.1\nName: other\nVersion: 1.0\n"
    assert ("metadata", f"{INFO}/METADATA") in codes(rewrite(write_wheel(tmp_path, {}), METADATA=changed))
    wheel = write_wheel(tmp_path, {})
    assert {code for code, _ in codes(wheel.rename(tmp_path / f"part-1.1-{TAG}.whl"))} == {"metadata"}


def test_names_and_versions_are_compared_in_their_normal_forms(tmp_path: Path) -> None:
    wheel = write_wheel(tmp_path, {})
    assert codes(wheel.rename(tmp_path / f"Part-1.0.0-{TAG}.whl")) == []


def test_two_dist_info_folders(tmp_path: Path) -> None:
    [fault] = read_wheel(write_wheel(tmp_path, {"other-1.0.dist-info/METADATA": b"Name: other\n"})).faults
    assert fault.code == "metadata" and "other-1.0.dist-info" in fault.message


def test_other_tags_inside_are_untidy(tmp_path: Path) -> None:
    wheel = write_wheel(tmp_path, {})
    [fault] = read_wheel(wheel.rename(tmp_path / "part-1.0-py3-none-any.whl")).faults
    assert (fault.code, fault.file, fault.severity) == ("tag", f"{INFO}/WHEEL", "warn") and TAG in fault.message


def test_a_compressed_set_of_tags_is_the_same_in_any_order(tmp_path: Path) -> None:
    wheel = write_wheel(tmp_path, {}, tag="py3-none-manylinux2014_aarch64.manylinux_2_17_aarch64")
    assert codes(wheel) == []


def record(*lines: str) -> str:
    return "".join(f"{line}\n" for line in (*lines, f"{INFO}/METADATA,,", f"{INFO}/WHEEL,,"))


def digest(content: bytes, algorithm: str) -> str:
    found = hashlib.new(algorithm, content).digest()
    return f"{algorithm}={base64.urlsafe_b64encode(found).rstrip(b'=').decode()}"


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (f"{TEXT},{digest(b'x = 1', 'sha512')},5", ""),
        (f"{TEXT},{digest(b'x = 2', 'sha512')},5", "another sha512"),
        (f"{TEXT},{digest(b'x = 1', 'sha256')},6", "has 5 bytes, and 6"),
        (f"{TEXT},{digest(b'x = 1', 'md5')},5", "no sha256"),
        (f"{TEXT},,", "no sha256"),
        (f'"{TEXT}",{digest(b"x = 1", "sha256")},5', ""),
        ("", "not in RECORD"),
        (f"part/more.py,{digest(b'', 'sha256')},0\n{TEXT},{digest(b'x = 1', 'sha256')},5", "not in the archive"),
    ],
)
def test_what_record_says_of_a_file(line: str, told: str, tmp_path: Path) -> None:
    wheel = write_wheel(tmp_path, {TEXT: b"x = 1"}, record=record(line))
    own = [fault for fault in read_wheel(wheel).faults if not fault.file.startswith(INFO)]
    assert [fault.code for fault in own] == (["record"] if told else [])
    assert all(told in fault.message for fault in own)


def test_a_record_that_is_no_table(tmp_path: Path) -> None:
    wheel = write_wheel(tmp_path, {TEXT: b""}, record=f"{'x' * 200_000}\n")
    assert ("record", f"{INFO}/RECORD") in codes(wheel)


@pytest.mark.parametrize("name", ["part.whl", "part-1.0.whl", "part-1.0-py3-none.whl", "part-1.0.zip"])
def test_a_name_that_is_no_wheels(name: str, tmp_path: Path) -> None:
    wheel = write_wheel(tmp_path, {}).rename(tmp_path / name)
    assert codes(wheel) == [("not-a-wheel", "")]


def test_only_a_file_that_cannot_be_opened_raises(tmp_path: Path) -> None:
    with pytest.raises(OSError):
        read_wheel(tmp_path / f"part-1.0-{TAG}.whl")
    with pytest.raises(OSError):
        read_wheel(tmp_path)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.data())
def test_torn_and_flipped_archives_are_told_and_raise_nothing(data: st.DataObject, tmp_path: Path) -> None:
    wheel = write_wheel(tmp_path, {MODULE: Library(needed=("libc.so.6",)).build(), TEXT: b"x = 1\n" * 50})
    content = bytearray(wheel.read_bytes())
    for _ in range(data.draw(st.integers(0, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    wheel.write_bytes(content[: data.draw(st.integers(0, len(content)))])
    for fault in read_wheel(wheel).faults:
        assert fault.message and fault.hint
