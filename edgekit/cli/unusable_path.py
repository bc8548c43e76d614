"""A path that the operating system refused: who named it, how much room is there, and what the user can do about it."""

from __future__ import annotations

import os
import pwd
import shutil
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from edgekit.cli.streams import STDOUT
from edgekit.host.settings import Settings
from edgekit.schema.units import format_bytes

_SCARCE_BYTES = 64 << 20
"""A file system with less than this may be the full one, where the system does not say which file it was."""
MAKE_ROOM = "make room: "


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedRun:
    """What is known of the run that failed."""

    settings: Settings
    argv: Sequence[str]
    """The command line, without the program."""


@dataclass(frozen=True, slots=True)
class UnusablePath:
    """A path that could not be used; its hints say what else the user may name."""

    name: str
    """As the operating system gave it; empty where it gave none."""
    run: FailedRun

    @property
    def path(self) -> Path:
        """The same as a path."""
        return Path(self.name)

    @property
    def first_there(self) -> Path:
        """The path itself, or the closest folder above it that is there."""
        return _first_there(self.path)

    @property
    def first_odd(self) -> Path:
        """The first part of the path that is not a folder."""
        parts = [*reversed(self.path.absolute().parents), self.path]
        return next((part for part in parts if _exists(part) and not part.is_dir()), self.path)

    def is_below(self, folder: Path) -> bool:
        """Whether the path is `folder` or below it."""
        return _is_below(self.path, folder)

    def name_another(self) -> str:
        """How to use another path: by the option or variable that named this one."""
        if self.name == STDOUT:
            return "send the output elsewhere"
        given = next((word for word in self.run.argv if self._comes_from(word)), "")
        if given:
            return f"give another path than {given}"
        settings = self.run.settings
        if any(self.is_below(folder) for folder in (settings.cache_dir, settings.state_dir, settings.config_dir)):
            return "set EDGEKIT_HOME to a folder that you can write to"
        if self.is_below(Path(tempfile.gettempdir())) and not self.is_below(Path.cwd()):
            return "set TMPDIR to a folder that you can write to"
        return "give another path"

    def make_room(self) -> str:
        """Which file system is full, how full, and what frees some of it."""
        if self.name == STDOUT:
            return "the file or device that the output goes to takes no more: send it elsewhere"
        mounts = [_mount(self.first_there)] if self.name else usual_mounts(self.run.settings)
        full = [mount for mount in mounts if shutil.disk_usage(mount).free < _SCARCE_BYTES or not _takes_files(mount)]
        room = MAKE_ROOM + "; ".join(_how_full(mount) for mount in (full or mounts))
        another = self.name_another()
        if not self.name or "EDGEKIT_HOME" in another:
            another = "edgekit cache gc empties its caches; or set EDGEKIT_HOME to a larger disk"
            return f"{room}; {another}"
        return f"{room}; or {another}"

    def ask_owner(self) -> str:
        """Whose the path is, and who you are."""
        there = self.first_there
        try:
            state = there.stat()
        except OSError:
            return f"ls -ld {there} shows who may use it; or {self.name_another()}"
        owner, you = _user_name(state.st_uid), _user_name(os.geteuid())
        whose = f"{there} belongs to {owner} (mode {state.st_mode & 0o7777:04o}) and you are {you}"
        return f"{whose}: let its owner give you the right, or {self.name_another()}"

    def look_for_typing_error(self) -> str:
        """How much of the path is there; a file that edgekit itself came with is never the user's error."""
        data = self.run.settings.data_dir
        if self.is_below(data / "cross") or self.is_below(data / "targets"):
            return "install edgekit again"
        return f"{self.first_there} is there, the rest is not: look for a typing error, or {self.name_another()}"

    def _comes_from(self, word: str) -> bool:
        """Whether a word of the command names this path, one above it or one below it."""
        if not word or word.startswith("-"):
            return False
        names_below = _is_below(Path(word), self.path) and not Path.cwd().is_relative_to(self.path)
        return self.is_below(Path(word)) or names_below


def usual_mounts(settings: Settings) -> list[Path]:
    """The file systems that edgekit and the programs that it starts write to."""
    usual: Iterable[Path] = (settings.cache_dir, settings.state_dir, Path(tempfile.gettempdir()), Path.cwd())
    return list(dict.fromkeys(_mount(_first_there(path)) for path in usual))


def _is_below(path: Path, folder: Path) -> bool:
    # Not resolved: a link that leads elsewhere was named by the user as it is.
    return Path(os.path.abspath(path)).is_relative_to(os.path.abspath(folder))  # noqa: PTH100


def _how_full(mount: Path) -> str:
    usage = shutil.disk_usage(mount)
    if not _takes_files(mount):
        return f"{mount} has no room for another file (df -i {mount})"
    return f"{mount} has {format_bytes(usage.free)} free now, of {format_bytes(usage.total)} (df -h {mount})"


def _takes_files(mount: Path) -> bool:
    """Whether the file system can take another file; some count none at all."""
    state = os.statvfs(mount)
    return state.f_files == 0 or state.f_favail > 0


def _first_there(path: Path) -> Path:
    return next((one for one in (path, *path.absolute().parents) if _exists(one)), Path("/"))


def _exists(path: Path) -> bool:
    try:
        path.lstat()
    except (OSError, ValueError):
        return False
    return True


def _mount(path: Path) -> Path:
    path = path.resolve()
    return next((one for one in (path, *path.parents) if one.is_mount()), Path("/"))


def _user_name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"
