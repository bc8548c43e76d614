"""What may become of a file or folder that edgekit keeps: by accident, by a power cut, or by somebody."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

from edgekit.host.disk import remove


def _flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def _replaced(make: Callable[[Path], object]) -> Callable[[Path], None]:
    def damage(path: Path) -> None:
        remove(path)
        make(path)

    return damage


def _folder(path: Path) -> None:
    path.mkdir()
    (path / "junk").write_text("junk")


def _elsewhere(path: Path) -> None:
    """A link to a good copy outside: whoever owns that could change it later."""
    copy = path.with_name(f"{path.name}.elsewhere")
    if path.is_dir():
        shutil.copytree(path, copy, symlinks=True)
    else:
        shutil.copy2(path, copy)
    remove(path)
    path.symlink_to(copy)


DAMAGES: dict[str, Callable[[Path], object]] = {
    "flipped": _flip,
    "cut": lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
    "emptied": lambda path: path.write_bytes(b""),
    "zeros": lambda path: path.write_bytes(b"\0" * path.stat().st_size),
    "longer": lambda path: path.write_bytes(path.read_bytes() + b"\n"),
    "nested": lambda path: path.write_text("[" * 200_000),
    "mode": lambda path: path.chmod(path.stat().st_mode ^ 0o100),
}
"""What may become of a file's content and mode."""
REPLACED: dict[str, Callable[[Path], object]] = {
    "gone": remove,
    "file": _replaced(lambda path: path.write_text("junk")),
    "folder": _replaced(_folder),
    "dangling": _replaced(lambda path: path.symlink_to("/nonexistent/nowhere")),
    "outwards": _replaced(lambda path: path.symlink_to("/etc/shadow")),
    "elsewhere": _elsewhere,
    "pipe": _replaced(os.mkfifo),
}
"""What may lie in the place of a file or folder."""
