"""A command's own folder goes with it, or with the next command where it was killed; nobody else's does."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from edgekit.host.own_folder import own_folder

KILLED = """
import os, sys
from pathlib import Path
from edgekit.host.own_folder import own_folder
with own_folder(Path(sys.argv[1]), ".edgekit-release-") as folder:
    (folder / "big").write_bytes(b"half")
    os.kill(os.getpid(), 9)
"""


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_leftovers_of_a_killed_run_are_removed(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], check=False, timeout=60)
    assert done.returncode == -9
    (left,) = tmp_path.iterdir()
    with own_folder(tmp_path, ".edgekit-release-") as aside:
        assert names(tmp_path) == sorted([aside.name, left.name]), "so young that its maker may just have begun"
    os.utime(left, (0, 0))
    with own_folder(tmp_path, ".edgekit-release-") as aside:
        assert names(tmp_path) == [aside.name]


def test_a_run_that_is_alive_keeps_its_folder(tmp_path: Path) -> None:
    with own_folder(tmp_path, ".edgekit-release-") as first:
        os.utime(first, (0, 0))
        with own_folder(tmp_path, ".edgekit-release-") as second:
            assert names(tmp_path) == sorted([first.name, second.name])


def test_strangers_of_like_name_stay(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / ".edgekit-release-notes").write_text("mine")
    (tmp_path / ".edgekit-release-link").symlink_to(tmp_path / "mine")
    os.utime(tmp_path / ".edgekit-release-notes", (0, 0))
    os.utime(tmp_path / ".edgekit-release-link", (0, 0), follow_symlinks=False)
    with own_folder(tmp_path, ".edgekit-release-"):
        assert (tmp_path / ".edgekit-release-notes").read_text() == "mine"
        assert (tmp_path / "mine").is_dir()
