"""Source packages and Debian packages come from outside: bounded, by digest, and they stay in their folder."""

from __future__ import annotations

import hashlib
import io
import tarfile
import zipfile
from pathlib import Path

import pytest

from edgekit.errors import InputError, WheelError
from edgekit.host.progress import Silent
from edgekit.host.wheel.cross.downloads import Downloads, NotThere
from edgekit.host.wheel.cross.sources import local_source, unpack_source
from edgekit.host.wheel.deb_archive import unpack_deb


def tar(path: Path, *members: tarfile.TarInfo, text: bytes = b"text") -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for member in members:
            member.size = len(text) if member.isreg() else 0
            archive.addfile(member, io.BytesIO(text))
    return path


def member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    made.type, made.linkname = kind, link
    return made


def test_a_source_package_is_unpacked(tmp_path: Path) -> None:
    archive = tar(tmp_path / "gate-1.0.tar.gz", member("gate-1.0", tarfile.DIRTYPE), member("gate-1.0/setup.py"))
    sources = unpack_source(archive, tmp_path / "out")
    assert (sources / "setup.py").read_bytes() == b"text"


@pytest.mark.parametrize(
    "bad",
    [
        member("../outside"),
        member("/etc/outside"),
        member("gate-1.0/link", tarfile.SYMTYPE, "/etc/passwd"),
        member("gate-1.0/link", tarfile.SYMTYPE, "../../outside"),
        member("gate-1.0/dev", tarfile.CHRTYPE),
    ],
)
def test_nothing_leaves_the_folder(bad: tarfile.TarInfo, tmp_path: Path) -> None:
    archive = tar(tmp_path / "gate-1.0.tar.gz", member("gate-1.0/setup.py"), bad)
    try:
        unpack_source(archive, tmp_path / "out")
    except WheelError as error:
        assert "cannot be unpacked" in error.message or "is no source package" in error.message
    assert not (tmp_path / "outside").exists() and not Path("/etc/outside").exists()
    assert not (tmp_path / "out/gate-1.0/link").is_symlink()


@pytest.mark.parametrize("content", [b"", b"no archive", b"\x1f\x8b" + bytes(50)])
def test_what_is_no_archive(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "x.tar.gz").write_bytes(content)
    with pytest.raises(WheelError, match="cannot be unpacked"):
        unpack_source(tmp_path / "x.tar.gz", tmp_path / "out")


def test_a_zip_is_a_source_package_too(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "gate-1.0.zip", "w") as archive:
        archive.writestr("gate-1.0/setup.py", "x")
    assert (unpack_source(tmp_path / "gate-1.0.zip", tmp_path / "out") / "setup.py").is_file()
    with zipfile.ZipFile(tmp_path / "gate-1.0.zip", "a") as archive:
        archive.writestr("../outside", "x")
    with pytest.raises(WheelError, match="leads outside"):
        unpack_source(tmp_path / "gate-1.0.zip", tmp_path / "again")
    assert not (tmp_path / "outside").exists()


def test_a_file_is_fetched_once_and_must_be_what_was_locked(tmp_path: Path) -> None:
    downloads = Downloads(folder=tmp_path / "kept", progress=Silent())
    file = tmp_path / "gate-1.0.tar.gz"
    file.write_bytes(b"content")
    sha256 = hashlib.sha256(b"content").hexdigest()
    kept = downloads.fetch(file.as_uri(), sha256)
    file.unlink()
    assert downloads.fetch(file.as_uri(), sha256) == kept
    kept.write_bytes(b"contenu")  # somebody edited the cache: its code would run, and be signed
    with pytest.raises(NotThere):
        downloads.fetch(file.as_uri(), sha256)
    file.write_bytes(b"content")
    assert downloads.fetch(file.as_uri(), sha256).read_bytes() == b"content"
    file.write_bytes(b"other")
    with pytest.raises(WheelError, match="is not what was locked"):
        downloads.fetch(file.as_uri(), "0" * 64)
    with pytest.raises(WheelError, match="unknown kind"):
        downloads.fetch("ftp://x/gate-1.0.tar.gz", "0" * 64)
    with pytest.raises(NotThere):
        downloads.fetch((tmp_path / "none").as_uri(), "0" * 64)
    assert [path.name for path in (tmp_path / "kept").glob("[!.]*")] == [f"{sha256}.gate-1.0.tar.gz"]
    assert not list((tmp_path / "kept").glob(".aside-*"))


def test_folders_and_files_of_ones_own(tmp_path: Path) -> None:
    (tmp_path / "gate").mkdir()
    with pytest.raises(InputError, match=r"has no pyproject\.toml"):
        local_source(tmp_path / "gate")
    (tmp_path / "gate/setup.py").write_text("x")
    before = local_source(tmp_path / "gate")
    (tmp_path / "gate/build").mkdir()
    (tmp_path / "gate/build/left").touch()
    assert local_source(tmp_path / "gate") == before
    (tmp_path / "gate/gate.cpython-311-x86_64-linux-gnu.so").touch()
    assert local_source(tmp_path / "gate") == before
    (tmp_path / "gate/setup.py").write_text("y")
    assert local_source(tmp_path / "gate").sha256 != before.sha256
    (tmp_path / "note.txt").touch()
    with pytest.raises(InputError, match="is no source package"):
        local_source(tmp_path / "note.txt")


@pytest.mark.parametrize(
    ("told", "known"),
    [
        ("Name: PyCuda\nVersion: 2026.01\n\nText", ("pycuda", "2026.1")),
        ("Name: ../outside\nVersion: 1\n", ("my-gate", "0")),
        ("Name: pycuda\nVersion: newest\n", ("my-gate", "0")),
        ("", ("my-gate", "0")),
    ],
)
def test_an_unpacked_source_package_keeps_its_name_whatever_its_folder_is_called(
    told: str, known: tuple[str, str], tmp_path: Path
) -> None:
    folder = tmp_path / "My_Gate"
    folder.mkdir()
    (folder / "setup.py").touch()
    (folder / "PKG-INFO").write_text(told)
    source = local_source(folder)
    assert (source.name, source.version) == known


def test_no_more_is_read_than_was_locked(tmp_path: Path) -> None:
    downloads = Downloads(folder=tmp_path / "kept", progress=Silent())
    file = tmp_path / "libcap2.deb"
    file.write_bytes(b"content")
    sha256 = hashlib.sha256(b"content").hexdigest()
    with pytest.raises(WheelError, match=r"libcap2\.deb is larger than 6 B"):
        downloads.fetch(file.as_uri(), sha256, 6)
    assert downloads.fetch(file.as_uri(), sha256, 7).read_bytes() == b"content"


def deb(path: Path, *members: tarfile.TarInfo) -> Path:
    data = tar(path.with_suffix(".tar.gz"), *members).read_bytes()
    parts = ((b"debian-binary", b"2.0\n"), (b"control.tar.gz", b"odd"), (b"data.tar.gz", data))
    text = b"!<arch>\n"
    for name, content in parts:
        text += (
            name.ljust(16)
            + b"0".ljust(12)
            + b"0".ljust(6) * 2
            + b"100644".ljust(8)
            + str(len(content)).encode().ljust(10)
        )
        text += b"`\n" + content + b"\n" * (len(content) % 2)
    path.write_bytes(text)
    return path


def test_links_of_a_debian_package_stay_in_its_root(tmp_path: Path) -> None:
    link = member("./usr/lib/libcap.so", tarfile.SYMTYPE, "/lib/libcap.so.2")
    unpack_deb(deb(tmp_path / "a.deb", member("./lib/libcap.so.2"), link), tmp_path / "root")
    assert (tmp_path / "root/usr/lib/libcap.so").read_bytes() == b"text"
    with pytest.raises(WheelError):
        unpack_deb(deb(tmp_path / "b.deb", member("../outside")), tmp_path / "root")
    assert not (tmp_path / "outside").exists()


@pytest.mark.parametrize("content", [b"", b"!<arch>\n", b"rubbish", b"!<arch>\n" + b"x" * 60])
def test_what_is_no_debian_package(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "x.deb").write_bytes(content)
    with pytest.raises(WheelError, match="cannot be unpacked"):
        unpack_deb(tmp_path / "x.deb", tmp_path / "root")
