"""Turns an `OSError` that a user can cause into a sentence and a cure that fits the place and the cause.

One mechanism for all verbs: code that reads or writes files needs no `try` of its own.
"""

from __future__ import annotations

import errno
import os
import re
import shutil
import socket
import ssl
import tempfile
import urllib.error
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from edgekit.cli.streams import STDOUT
from edgekit.errors import EdgekitError, EngineError, InputError, Unreachable, WheelError
from edgekit.host.settings import Settings
from edgekit.schema.units import format_bytes

_SCARCE_BYTES = 64 << 20
"""A file system with less than this may be the full one, where the system does not say which file it was."""
_LITTLE_BYTES = 1 << 30
"""The same where another program says so, which removes what it wrote before anybody looks."""
_MAKE_ROOM = "make room: "
_NO_FOLDER = "you stand in a folder that was removed; go to one that is there: cd ~"
_DEPTH = 5
_FULL = re.compile(r"No space left on device|os error 28\b|Disk quota exceeded")
_MADE_HERE = (InputError, WheelError, EngineError)
_NETWORK = (ConnectionError, TimeoutError, socket.gaierror, socket.herror, ssl.SSLError, urllib.error.URLError)


@dataclass(frozen=True, slots=True, kw_only=True)
class Circumstances:
    """What is known of the run that failed."""

    settings: Settings
    argv: Sequence[str]
    """The command's words."""


def explain(error: OSError, run: Circumstances) -> EdgekitError | None:
    """The error for the user; None where the user cannot have caused it: a bug."""
    error = _cause(error)
    if isinstance(error, _NETWORK):
        reason = getattr(error, "reason", None) or error.strerror or error
        return Unreachable(
            f"the connection failed: {reason}", hint="look at the network and run the same command again"
        )
    if not _has_folder():
        return InputError("the current folder is not there any more", hint=_NO_FOLDER)
    words = _WORDS.get(error.errno or 0)
    if words is None:
        return None
    place = error.filename if isinstance(error.filename, str | bytes) else None
    if place is None and error.errno not in _NAMELESS:
        return None
    name = os.fsdecode(place) if place is not None else ""
    reason, hint = words
    message = f"{name or 'a file'}: {reason}"
    return InputError(message, hint=hint(_Place(name, run)))


def with_cure(error: EdgekitError, run: Circumstances) -> EdgekitError:
    """The same error with the hint that fits what the operating system said, where that is what stopped the work.

    A full disk looks like a broken download to whoever fetches, and like a broken package to whoever builds.
    """
    below = _os_error_below(error)
    if below is not None and not _has_folder():
        return type(error)(error.message, hint=_NO_FOLDER, details=error.details)
    found = explain(below, run) if below is not None and below.errno in _DECISIVE else None
    hint = found.hint if isinstance(found, InputError) else ""
    if not hint and isinstance(error, _MADE_HERE) and _FULL.search(f"{error.message}\n{error.details}"):
        mounts = [mount for mount in _usual_mounts(run.settings) if shutil.disk_usage(mount).free < _LITTLE_BYTES]
        hint = _no_space(_Place("", run)) if mounts else ""
    if not hint:
        return error
    reason = ": no space was left on the disk" if hint.startswith(_MAKE_ROOM) and "o space" not in error.message else ""
    return type(error)(f"{error.message}{reason}", hint=hint, details=error.details)


def _os_error_below(error: BaseException) -> OSError | None:
    below = error.__cause__ or error.__context__
    for _ in range(_DEPTH):
        if below is None or isinstance(below, OSError):
            return below
        below = below.__cause__ or below.__context__
    return None


class _Place:
    """A path that could not be used, and whose it is."""

    def __init__(self, name: str, run: Circumstances) -> None:
        self.name = name
        self.path = Path(name)
        self.run = run

    @property
    def other(self) -> str:
        """How to name another place: the option or variable that named this one."""
        if self.name == STDOUT:
            return "send the output elsewhere"
        given = next((word for word in self.run.argv if self._comes_from(word)), "")
        if given:
            return f"give another path than {given}"
        settings = self.run.settings
        if any(self._is_below(folder) for folder in (settings.cache_dir, settings.state_dir, settings.config_dir)):
            return "set EDGEKIT_HOME to a folder that you can write to"
        if self._is_below(Path(tempfile.gettempdir())) and not self._is_below(Path.cwd()):
            return "set TMPDIR to a folder that you can write to"
        return "give another path"

    @property
    def first_there(self) -> Path:
        """The path itself, or the closest folder above it that is there."""
        return _first_there(self.path)

    @property
    def first_odd(self) -> Path:
        """The first part of the path that is no folder."""
        parts = [*reversed(self.path.absolute().parents), self.path]
        return next((part for part in parts if _exists(part) and not part.is_dir()), self.path)

    def _comes_from(self, word: str) -> bool:
        """Whether a word of the command names this place, one above it or one below it."""
        above = not Path.cwd().is_relative_to(self.path) and _Place(word, self.run)._is_below(self.path)
        return not word.startswith("-") and bool(word) and (self._is_below(Path(word)) or above)

    def _is_below(self, folder: Path) -> bool:
        return Path(os.path.abspath(self.path)).is_relative_to(os.path.abspath(folder))  # noqa: PTH100


def _no_space(place: _Place) -> str:
    """Which file system is full, and how full."""
    if place.name == STDOUT:
        return "the file or device that the output goes to takes no more: send it elsewhere"
    mounts = [_mount(place.first_there)] if place.name else _usual_mounts(place.run.settings)
    full = [mount for mount in mounts if shutil.disk_usage(mount).free < _SCARCE_BYTES or not _free_files(mount)]
    cures = [_MAKE_ROOM + "; ".join(_how_full(mount) for mount in (full or mounts))]
    if not place.name or "EDGEKIT_HOME" in place.other:
        cures.append("edgekit cache gc --older-than 0 empties its cache; or set EDGEKIT_HOME to a larger disk")
    else:
        cures.append(f"or {place.other}")
    return "; ".join(cures)


def _usual_mounts(settings: Settings) -> list[Path]:
    """The file systems that edgekit and the programs that it starts write to."""
    usual = (settings.cache_dir, settings.state_dir, Path(tempfile.gettempdir()), Path.cwd())
    return list(dict.fromkeys(_mount(_first_there(path)) for path in usual))


def _how_full(mount: Path) -> str:
    usage = shutil.disk_usage(mount)
    if not _free_files(mount):
        return f"{mount} has no room for another file (df -i {mount})"
    return f"{mount} has {format_bytes(usage.free)} free now, of {format_bytes(usage.total)} (df -h {mount})"


def _not_allowed(place: _Place) -> str:
    there = place.first_there
    try:
        state = there.stat()
    except OSError:
        return f"ls -ld {there} shows who may use it; or {place.other}"
    mode, owner = f"{state.st_mode & 0o7777:04o}", _user_name(state.st_uid)
    you = _user_name(os.geteuid())
    whose = f"{there} belongs to {owner} (mode {mode}) and you are {you}"
    return f"{whose}: let its owner give you the right, or {place.other}"


def _not_there(place: _Place) -> str:
    data = place.run.settings.data_dir
    if place._is_below(data / "cross") or place._is_below(data / "targets"):
        return "install edgekit again"
    return f"{place.first_there} is there, the rest is not: look for a typing error, or {place.other}"


def _ulimit(what: str) -> Callable[[_Place], str]:
    return lambda _: f"raise the limit and try again: ulimit {what}"


_WORDS: dict[int, tuple[str, Callable[[_Place], str]]] = {
    errno.ENOSPC: ("no space is left for it", _no_space),
    errno.EDQUOT: ("your quota is used up", lambda place: f"make room (quota -s), or {place.other}"),
    errno.EROFS: ("it is on a read-only file system", lambda place: place.other),
    errno.EACCES: ("you may not use it", _not_allowed),
    errno.EPERM: ("you may not do that with it", _not_allowed),
    errno.ENOTDIR: ("a file is where a folder must be", lambda place: f"{place.first_odd} is no folder: {place.other}"),
    errno.EEXIST: ("something else is there already", lambda place: f"move it away, or {place.other}"),
    errno.EISDIR: ("it is a folder, not a file", lambda place: place.other),
    errno.ENOENT: ("it is not there", _not_there),
    errno.ENAMETOOLONG: ("the name is too long", lambda place: place.other),
    errno.ELOOP: ("its links lead in a circle", lambda place: f"ls -l {place.name}; or {place.other}"),
    errno.ENXIO: ("it cannot be opened as a file", lambda place: place.other),
    errno.ENODEV: ("it cannot be opened as a file", lambda place: place.other),
    errno.EFBIG: ("it would be too large for its file system", lambda place: place.other),
    errno.ETXTBSY: ("a running program uses it", lambda place: f"end that program, or {place.other}"),
    errno.EIO: ("the disk could not read or write it", lambda _: "dmesg tells what the disk reported"),
    errno.ESTALE: ("the file server has forgotten it", lambda _: "mount it again and run the same command"),
    errno.EMFILE: ("too many files are open", _ulimit("-n 4096")),
    errno.ENFILE: ("too many files are open on this machine", _ulimit("-n 4096")),
}
_DECISIVE = frozenset(_WORDS) - {errno.ENOENT, errno.EEXIST, errno.EISDIR}
"""Where whoever met the error cannot know the cure better."""
_NAMELESS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EMFILE, errno.ENFILE})
"""What writing to an open file, or opening any, may end in: the system names no file then."""


def _cause(error: OSError) -> OSError:
    """What really happened, where a library has put several errors into one."""
    if isinstance(error, shutil.Error) and error.args and isinstance(error.args[0], list):
        _, place, reason = error.args[0][0]
        number = next((code for code in _WORDS if os.strerror(code) in str(reason)), 0)
        return OSError(number, os.strerror(number), str(place)) if number else error
    if isinstance(error, urllib.error.URLError) and isinstance(error.reason, OSError):
        return error.reason if error.reason.errno in _WORDS and not isinstance(error.reason, _NETWORK) else error
    return error


def _has_folder() -> bool:
    try:
        Path.cwd()
    except OSError:
        return False
    return True


def _first_there(path: Path) -> Path:
    found = [place for place in (path, *path.absolute().parents) if _exists(place)]
    return found[0] if found else Path("/")


def _exists(path: Path) -> bool:
    try:
        path.lstat()
    except (OSError, ValueError):
        return False
    return True


def _mount(path: Path) -> Path:
    path = path.resolve()
    return next((place for place in (path, *path.parents) if place.is_mount()), Path("/"))


def _free_files(mount: Path) -> bool:
    """Whether the file system can take another file; some count none at all."""
    state = os.statvfs(mount)
    return state.f_files == 0 or state.f_favail > 0


def _user_name(uid: int) -> str:
    import pwd

    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"
