"""What a build may see and change: its toolchain, its environment and its own folder, and nothing else of the user's.

    WORK/source  WORK/venv  WORK/out  WORK/home  WORK/notes  WORK/tmp    the build's to write
    WORK/objects    what the compiler makes of this package, and a copy of its own libraries
    WORK/*          for reading

A compiler's cache is believed by whoever finds an object in it, so no two builds share one.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from edgekit.host.sandbox.box import Box
from edgekit.host.wheel.cross.environment import LIBRARIES, OBJECTS, Extras, Workshop

NOTES, OUT = "notes", "out"
_MAX_ANSWER_BYTES = 16 << 20
_MADE_LATER, _MADE_NOW = ("source", "venv"), (OUT, "home", NOTES, OBJECTS, "tmp")


@dataclass(frozen=True, slots=True, kw_only=True)
class Hook:
    """One call of a back end. Source: pyproject-hooks, whose script reads and writes JSON in a folder of its own."""

    script: Path
    exchange: Path
    """That folder."""
    environment: Mapping[str, str]
    """All of its variables."""
    cwd: Path

    def has_answered(self) -> bool:
        """Whether there is an answer to read: no pipe, which never ends, and no link to what is not the hook's own."""
        answer = self.exchange / "output.json"
        return not answer.is_symlink() and answer.is_file() and answer.stat().st_size <= _MAX_ANSWER_BYTES


def make_folders(work: Path, libraries: Path | None) -> None:
    """Make the folders that a build writes into, but for its sources and its environment.

    Args:
        work: the build's folder.
        libraries: zig's own, of which the build gets a copy: see `warm_up`.
    """
    for name in _MADE_NOW:
        (work / name).mkdir(parents=True)
    if libraries is not None:
        shutil.copytree(libraries, work / OBJECTS / LIBRARIES, symlinks=True)


def build_box(work: Path, shop: Workshop, extras: Extras, hook: Hook) -> Box:
    """The sandbox of one hook.

    Args:
        work: the build's folder.
        shop: compiler and headers.
        extras: what the package adds.
        hook: see there.
    """
    return Box(
        environment=hook.environment,
        cwd=hook.cwd,
        readable=(work, hook.script, *shop.readable, *extras.readable),
        writable=(*(work / name for name in (*_MADE_LATER, *_MADE_NOW)), hook.exchange),
        temporary=work / "tmp",
    )
