"""Archives are unpacked alike by every Python, and never more trustingly than the standard library's filter does it."""

from __future__ import annotations

import ast
import io
import os
import tarfile
import zipfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgekit.host.unpack import DAMAGED, unpack_member, unpack_zip

FILTERED = pytest.mark.skipif(not hasattr(tarfile, "data_filter"), reason="this Python's tarfile has no filter")
KINDS = {
    "file": tarfile.REGTYPE,
    "folder": tarfile.DIRTYPE,
    "link": tarfile.SYMTYPE,
    "hard": tarfile.LNKTYPE,
    "device": tarfile.CHRTYPE,
    "pipe": tarfile.FIFOTYPE,
}
HOSTILE = {
    "absolute": [("file", "/etc/edgekit-outside", "")],
    "above": [("file", "../outside", "")],
    "above, later": [("file", "a/../../outside", "")],
    "folder above": [("folder", "../outside", "")],
    "absolute link": [("link", "a", "/etc/passwd")],
    "link above": [("link", "a", "../outside")],
    "link above from deep": [("link", "a/b", "../../outside")],
    "through a link": [("link", "a", ".."), ("file", "a/outside", "")],
    "a link that became longer": [("folder", "a/b", ""), ("link", "a/b/c", ".."), ("link", "d", "a/b/c/../..")],
    "a link to nothing yet": [("link", "a", "b/.."), ("link", "b", "..")],
    "hard link above": [("hard", "a", "../outside")],
    "hard link, absolute": [("hard", "a", "/etc/passwd")],
    "hard link through a link": [("link", "b", ".."), ("hard", "a", "b/outside")],
    "in the folder's own place": [("link", ".", "a")],
    "in its place through a link": [("link", "a/b", ".."), ("link", "a/b", "c")],
    "device": [("device", "a", "")],
    "pipe": [("pipe", "a", "")],
    "a file where a folder is": [("folder", "a/b", ""), ("file", "a", "")],
}


def pack(*members: tuple[str, str, str], mode: int = 0o644) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for kind, name, link in members:
            info = tarfile.TarInfo(name)
            info.type, info.linkname, info.mode, info.mtime = KINDS[kind], link, mode, 1_000_000_000
            info.size = len(name) if kind == "file" else 0
            tar.addfile(info, io.BytesIO(name.encode()))
    return made.getvalue()


def unpack(data: bytes, folder: Path, *, ours: bool) -> BaseException | None:
    """Unpack until the first refusal, which is given."""
    folder.mkdir(parents=True)
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        for member in tar:
            try:
                if ours:
                    unpack_member(tar, member, folder)
                else:
                    tar.extract(member, folder, filter="data")
            except (*DAMAGED, KeyError) as error:
                return error
    return None


def tree(folder: Path) -> dict[str, tuple[str, int]]:
    """Path to content or link, and mode of files."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink():
            found[name] = (f"-> {path.readlink()}", 0)
        else:
            found[name] = (path.read_text(), path.stat().st_mode) if path.is_file() else ("folder", 0)
    return found


@pytest.mark.parametrize("name", HOSTILE)
def test_what_is_hostile_is_refused_and_leaves_nothing_outside(name: str, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    refused = unpack(pack(*HOSTILE[name]), tmp_path / "box/in", ours=True)
    if name == "absolute":  # its slash does not count
        assert refused is None and (tmp_path / "box/in/etc/edgekit-outside").is_file()
    elif name == "a link that became longer":  # what it says, without the link that is not followed: it stays inside
        assert refused is None and (tmp_path / "box/in/d").readlink() == Path("a")
    else:
        assert isinstance(refused, (ValueError, OSError)), name
    assert sorted(tmp_path.iterdir()) == [tmp_path / "box", tmp_path / "outside"]
    assert not list((tmp_path / "outside").iterdir()) and list((tmp_path / "box").iterdir()) == [tmp_path / "box/in"]
    for path in (tmp_path / "box/in").rglob("*"):
        assert Path(os.path.realpath(path)).is_relative_to(tmp_path / "box/in")


@FILTERED
@pytest.mark.parametrize("name", HOSTILE)
def test_the_standard_librarys_filter_says_the_same(name: str, tmp_path: Path) -> None:
    data = pack(*HOSTILE[name])
    theirs, ours = unpack(data, tmp_path / "box/theirs", ours=False), unpack(data, tmp_path / "box/ours", ours=True)
    assert ours is not None or theirs is None or name == "a link that became longer", (theirs, ours)


def test_a_path_too_long_to_be_looked_up_is_refused(tmp_path: Path) -> None:
    """Source: CVE-2025-4517: `realpath` stops where it cannot look, and calls the rest harmless."""
    members, long, steps = [], Path(), "abcdefghijklmnop"
    for step in steps:  # a/b/c... is a short way to a path of nearly 4096 bytes
        members += [("folder", f"{long}/{'d' * 247}", ""), ("link", f"{long}/{step}", "d" * 247)]
        long /= "d" * 247
    unseen = f"{'/'.join(steps)}/{'l' * 254}"
    members += [("link", unseen, "../" * len(steps)), ("link", "escape", f"{unseen}/../../outside")]
    refused = unpack(pack(*members, ("file", "escape/x", "")), tmp_path / "box/in", ours=True)
    assert "too long a path" in str(refused)
    assert [path.name for path in tmp_path.iterdir()] == ["box"]


@pytest.mark.parametrize(
    ("mode", "kept"), [(0o4755, 0o755), (0o2777, 0o755), (0o1644, 0o644), (0o666, 0o644), (0o055, 0o644), (0, 0o600)]
)
def test_modes_are_those_of_plain_files(mode: int, kept: int, tmp_path: Path) -> None:
    assert unpack(pack(("file", "a", ""), mode=mode), tmp_path / "in", ours=True) is None
    assert (tmp_path / "in/a").stat().st_mode & 0o7777 == kept
    assert (tmp_path / "in/a").stat().st_mtime == 1_000_000_000


def test_a_file_takes_the_place_of_a_link_and_is_not_written_through_it(tmp_path: Path) -> None:
    members = [("file", "a", ""), ("link", "b", "a"), ("file", "b", ""), ("hard", "c", "a")]
    assert unpack(pack(*members), tmp_path / "in", ours=True) is None
    assert (tmp_path / "in/a").read_text() == "a" and (tmp_path / "in/b").read_text() == "b"
    assert (tmp_path / "in/c").samefile(tmp_path / "in/a")


PATHS = st.lists(st.sampled_from(["a", "b", "c", "..", "."]), min_size=1, max_size=4).map("/".join)
NAMES = PATHS.map(os.path.normpath)
"""Of a name like `a/../b` the standard library makes folders that it then trips over."""
MEMBERS = st.lists(st.tuples(st.sampled_from(["file", "folder", "link", "hard"]), NAMES, PATHS), min_size=1, max_size=6)


@FILTERED
@settings(max_examples=300, deadline=None)
@given(MEMBERS)
def test_whatever_the_filter_refuses_is_refused(
    tmp_path_factory: pytest.TempPathFactory, members: list[tuple[str, str, str]]
) -> None:
    top = tmp_path_factory.mktemp("any")
    theirs = unpack(pack(*members), top / "theirs/in", ours=False)
    ours = unpack(pack(*members), top / "ours/in", ours=True)
    assert [path.name for path in (top / "ours").iterdir()] == ["in"]
    for path in (top / "ours/in").rglob("*"):
        assert path.is_symlink() or Path(os.path.realpath(path)).is_relative_to(top / "ours/in")
    if isinstance(theirs, tarfile.FilterError):
        assert ours is not None, f"{theirs} was let through"
    if theirs is None and ours is None and all(kind != "link" for kind, _, _ in members):
        assert tree(top / "theirs/in") == tree(top / "ours/in")


def zipped(name: str, mode: int = 0o100644) -> io.BytesIO:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        entry = zipfile.ZipInfo(name)
        entry.external_attr = mode << 16
        archive.writestr(entry, "text")
    return made


@pytest.mark.parametrize(
    ("name", "mode"), [("../outside", 0o100644), ("/outside", 0o100644), ("a/../../outside", 0), ("a", 0o120777)]
)
def test_a_zip_that_leads_outside_is_refused(name: str, mode: int, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    with zipfile.ZipFile(zipped(name, mode)) as archive, pytest.raises(ValueError, match=r"outside|is a link"):
        unpack_zip(archive, tmp_path / "in")
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


def test_programs_in_a_zip_can_be_run(tmp_path: Path) -> None:
    with zipfile.ZipFile(zipped("a/configure", 0o104755)) as archive:
        unpack_zip(archive, tmp_path)
    assert (tmp_path / "a/configure").stat().st_mode & 0o7777 == 0o755


def test_nothing_else_unpacks_archives() -> None:
    """The filter came with patch releases: no linter sees that a Python of the same minor version lacks it."""
    root = Path(__file__).parents[3]
    calls = {"extract", "extractall", "unpack_archive"}
    found = [
        f"{file}:{node.lineno}"
        for folder in ("edgekit", "cross", "recipes")
        for file in (root / folder).rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in calls
    ]
    assert found == []
