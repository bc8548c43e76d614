"""Debian's own archive: what a lock names is there, or what replaced it is taken from the signed index."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from edgekit.executor.local import LocalExecutor
from edgekit.host.progress import Silent
from edgekit.host.wheel.debian import Debian, NoArchive, Root

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]
DATA = Path(__file__).parents[2] / "cross" / "debian"


@dataclass
class Told(Silent):
    notes: list[str] = field(default_factory=list)

    def note(self, text: str) -> None:
        self.notes.append(text)


def fetch(data: Path, folder: Path, told: Told) -> Root:
    debian = Debian(
        data=data,
        roots=folder / "roots",
        answers=folder / "answers",
        downloads=folder / "downloads",
        archive="",
        executor=LocalExecutor(),
        progress=told,
    )
    try:
        return debian.fetch_sets(["libcap"])
    except NoArchive:
        pytest.skip("this machine knows no Debian archive")


def test_what_the_shipped_lock_names_is_there(tmp_path: Path) -> None:
    root = fetch(DATA, tmp_path, Told())
    library = root.folder / "usr/lib/aarch64-linux-gnu/libcap.so"
    assert library.is_symlink() and library.resolve().is_relative_to(root.folder.resolve())
    assert library.read_bytes()[:4] == b"\x7fELF" and library.read_bytes()[18] == 183, "EM_AARCH64"
    assert (root.folder / "usr/include/sys/capability.h").is_file()


def test_a_version_that_is_gone_is_replaced_by_what_debian_signed(tmp_path: Path) -> None:
    data = tmp_path / "data"
    shutil.copytree(DATA, data)
    lines = (data / "bookworm.lock").read_text().splitlines()
    old = [line.replace("_arm64.deb", "~gone_arm64.deb") if line.startswith("libcap2 ") else line for line in lines]
    (data / "bookworm.lock").write_text("\n".join(old) + "\n")
    told = Told()
    root = fetch(data, tmp_path, told)
    assert [package.name for package in root.packages] == ["libcap-dev", "libcap2"]
    assert (root.folder / "usr/include/sys/capability.h").is_file()
    assert len(told.notes) == 1 and "~gone" in told.notes[0]
