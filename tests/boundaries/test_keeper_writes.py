"""The keeper's one door for writes: no other of its files names a call that changes files, and the guard sees one."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from types import CodeType

import pytest

import edgekit.device.keeper
from tests.fakes.write_guard import GUARD

KEEPER = Path(edgekit.device.keeper.__file__).parent
DOORS = {"filesystem.py", "process/cgroup.py", "process/confinement/enter.py"}
"""The door; the kernel's own files, which no power cut can tear; and what runs in the worker's process, which makes its
files in memory and gives what an earlier worker has left to it, and makes a cut good when it starts anew."""
METHODS = frozenset(
    {"write_text", "write_bytes", "mkdir", "unlink", "rmdir", "chmod", "touch", "symlink_to", "hardlink_to", "rmtree"}
    | {"copyfile", "copytree", "link", "chown", "truncate", "ftruncate", "makedirs", "symlink", "removedirs", "mknod"}
    | {"rename", "renames", "utime", "setxattr"}
)
WRITING = frozenset("wax+")


def writes(source: str) -> Iterator[int]:
    """Lines that change files past the door."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call):
            continue
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        owner = ast.unparse(node.func.value) if isinstance(node.func, ast.Attribute) else ""
        if owner.endswith("disk") or (name == "open" and "'/proc/" in ast.unparse(node)):  # the kernel's own files
            continue
        words = [given.value for given in node.args if isinstance(given, ast.Constant) and isinstance(given.value, str)]
        arguments = " ".join(map(ast.unparse, node.args))
        opened = name == "open" and any(set(word) & WRITING and len(word) < 4 for word in words)
        flags = name == "open" and any(flag in arguments for flag in ("O_WRONLY", "O_RDWR", "O_CREAT"))
        if name in METHODS or opened or flags or (owner == "os" and name in ("replace", "remove")):
            yield node.lineno


def test_no_other_file_of_the_keeper_changes_files() -> None:
    found = [
        f"{path.relative_to(KEEPER)}:{line}"
        for path in sorted(KEEPER.rglob("*.py"))
        if str(path.relative_to(KEEPER)) not in DOORS
        for line in writes(path.read_text())
    ]
    assert not found, "write through edgekit.device.keeper.filesystem.Filesystem"


@pytest.mark.parametrize(
    "line",
    [
        'path.write_text("x")',
        'path.open("ab")',
        "path.rename(other)",
        'open(path, "w")',
        "os.open(path, os.O_WRONLY | os.O_CREAT)",
        "os.rename(path, other)",
        "os.link(path, other)",
        "path.mkdir()",
        "path.unlink()",
        "os.ftruncate(3, 0)",
        "path.chmod(0o600)",
    ],
)
def test_a_call_past_the_door_is_found(line: str) -> None:
    assert list(writes(line)) == [1]
    assert not list(writes("path.open('rb'); self._disk.link(path, other); text.replace('a', 'b')"))


def of_the_keeper(line: str) -> CodeType:
    """A line as if it stood in the keeper."""
    return compile(line, str(KEEPER / "imagined.py"), "exec")


@pytest.mark.parametrize(
    "line",
    [
        "path.write_text('x')",
        "path.touch()",
        "path.rename(path.with_name('b'))",
        "path.unlink()",
        "path.chmod(0o600)",
        "path.with_name('b').symlink_to(path)",
        "os.link(path, path.with_name('b'))",
        "os.truncate(path, 0)",
        "os.mkdir(path.with_name('b'))",
        "os.utime(path)",
        "shutil.copyfile(path, path.with_name('b'))",
        "os.close(os.open(path, os.O_RDWR))",
    ],
)
def test_the_guard_sees_a_change_past_the_door(tmp_path: Path, line: str) -> None:
    path = tmp_path / "a"
    path.touch()
    code = of_the_keeper(f"import os, shutil\n{line}")
    with GUARD.armed() as found:
        exec(code, {"path": path})
    assert found, line
    assert "imagined.py:2" in found[0]


def test_the_guard_lets_readers_the_door_and_everybody_else_be(tmp_path: Path) -> None:
    code = of_the_keeper(
        "from edgekit.device.keeper.filesystem import Filesystem\n"
        "disk = Filesystem()\n"
        "disk.replace(path, b'x')\n"
        "disk.make_folders(path.with_name('b') / 'c')\n"
        "assert path.read_bytes() == b'x'\n"
        "open('/dev/null', 'w').close()\n"
    )
    with GUARD.armed() as found:
        exec(code, {"path": tmp_path / "a"})
        (tmp_path / "d").write_text("not the keeper's")
    assert not found
