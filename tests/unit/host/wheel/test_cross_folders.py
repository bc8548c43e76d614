"""A folder of sources: what is copied is what is hashed, links followed; odd files are refused in a sentence."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from edgekit.errors import InputError
from edgekit.host.wheel.cross.folders import copy_folder, folder_digest


@pytest.fixture
def gate(tmp_path: Path) -> Path:
    """A package that takes a header from a folder beside it, through a link."""
    (tmp_path / "common").mkdir()
    (tmp_path / "common/answer.h").write_text("#define ANSWER 42\n")
    (tmp_path / "gate").mkdir()
    (tmp_path / "gate/setup.py").write_text("setup()\n")
    (tmp_path / "gate/shared").symlink_to("../common")
    return tmp_path / "gate"


def names(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir()}


def rewrite(gate: Path) -> None:
    (gate / "shared/answer.h").write_text("#define ANSWER 43\n")


def make_program(gate: Path) -> None:
    (gate / "setup.py").chmod(0o755)


def rename(gate: Path) -> None:
    (gate / "shared/answer.h").rename(gate / "shared/other.h")


def leave_a_link_to_nothing(gate: Path) -> None:
    (gate / "old.log").symlink_to("nowhere")


@pytest.mark.parametrize("change", [rewrite, make_program, rename, leave_a_link_to_nothing])
def test_whatever_is_copied_counts(change: Callable[[Path], None], gate: Path, tmp_path: Path) -> None:
    before, first = folder_digest(gate), copy_folder(gate, tmp_path / "one")
    assert folder_digest(first) == before
    change(gate)
    second = copy_folder(gate, tmp_path / "two")
    assert folder_digest(gate) == folder_digest(second) != before


def test_what_is_not_copied_does_not_count(gate: Path, tmp_path: Path) -> None:
    before = folder_digest(gate)
    for name in ("build/old.o", "src/.git/HEAD", "gate.egg-info/PKG-INFO", "gate.cpython-311-x86_64-linux-gnu.so"):
        (gate / name).parent.mkdir(parents=True, exist_ok=True)
        (gate / name).touch()
    os.utime(gate / "setup.py", (0, 0))
    (gate / "setup.py").chmod(0o600)
    assert folder_digest(gate) == before
    copy = copy_folder(gate, tmp_path / "work")
    assert names(copy) == {"setup.py", "shared/answer.h"}
    assert not (copy / "shared").is_symlink()


def test_what_a_package_ships_is_copied_and_what_builds_left_is_not(gate: Path, tmp_path: Path) -> None:
    for name in ("src/build/__init__.py", "src/libvendor.so", "build/old.o", "src/gate.abi3.so"):
        (gate / name).parent.mkdir(parents=True, exist_ok=True)
        (gate / name).touch()
    found = names(copy_folder(gate, tmp_path / "work"))
    assert found == {"setup.py", "shared/answer.h", "src/build/__init__.py", "src/libvendor.so"}


def test_a_link_to_nothing_is_copied_as_it_is(gate: Path, tmp_path: Path) -> None:
    leave_a_link_to_nothing(gate)
    copy = copy_folder(gate, tmp_path / "work")
    assert (copy / "old.log").readlink() == Path("nowhere")


def test_a_circle_of_links_is_refused(gate: Path, tmp_path: Path) -> None:
    (gate / "src").mkdir()
    (gate / "src/up").symlink_to("..")
    for ask in (lambda: folder_digest(gate), lambda: copy_folder(gate, tmp_path / "work")):
        with pytest.raises(InputError, match="src/up links to a folder that it lies in"):
            ask()


def test_two_links_to_one_folder_are_no_circle(gate: Path) -> None:
    (gate / "again").symlink_to("../common")
    assert folder_digest(gate)


def test_what_is_no_file_is_refused_and_not_waited_for(gate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(gate / "pipe")
    with pytest.raises(InputError, match="pipe is neither a file nor a folder"):
        folder_digest(gate)
    (gate / "pipe").unlink()
    monkeypatch.chdir(gate)  # a socket's path is short
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("agent.sock")
        with pytest.raises(InputError, match=r"agent\.sock is neither"):
            folder_digest(gate)
