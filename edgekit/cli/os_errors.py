"""Turns an `OSError` that a user can cause into a sentence and a hint that fit the path and the cause.

One mechanism for all verbs: code that reads or writes files needs no `try` of its own.
"""

from __future__ import annotations

import errno
import os
import re
import shutil
import socket
import ssl
import urllib.error
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from edgekit.cli.unusable_path import MAKE_ROOM, FailedRun, UnusablePath, usual_mounts
from edgekit.errors import EdgekitError, EngineError, InputError, Unreachable, WheelError

_LITTLE_BYTES = 1 << 30
"""A file system with less than this may have been the full one, where another program says that one is full: it removes
what it wrote before anybody looks."""
_FULL = re.compile(r"No space left on device|os error 28\b|Disk quota exceeded")
_MADE_HERE = (InputError, WheelError, EngineError)
"""Errors about work on this machine; a full disk on a device is another matter."""
_NETWORK = (ConnectionError, TimeoutError, socket.gaierror, socket.herror, ssl.SSLError, urllib.error.URLError)
_NO_FOLDER = "you stand in a folder that was removed; go to one that is there: cd ~"
_DEPTH = 5
"""How far to look for an `OSError` below other errors."""


@dataclass(frozen=True, slots=True)
class _Refusal:
    """What one error number means, and what helps against it."""

    reason: str
    hint: Callable[[UnusablePath], str]


def _or_another(help_first: str) -> Callable[[UnusablePath], str]:
    return lambda path: f"{help_first.format(name=path.name)}, or {path.name_another()}"


def _always(hint: str) -> Callable[[UnusablePath], str]:
    return lambda _: hint


_RAISE_LIMIT = _always("raise the limit and try again: ulimit -n 4096")
_REFUSALS: dict[int, _Refusal] = {
    errno.ENOSPC: _Refusal("no space is left for it", UnusablePath.make_room),
    errno.EDQUOT: _Refusal("your quota is used up", _or_another("make room (quota -s)")),
    errno.EROFS: _Refusal("it is on a read-only file system", UnusablePath.name_another),
    errno.EACCES: _Refusal("you may not use it", UnusablePath.ask_owner),
    errno.EPERM: _Refusal("you may not do that with it", UnusablePath.ask_owner),
    errno.ENOTDIR: _Refusal(
        "a file is where a folder must be", lambda path: f"{path.first_odd} is no folder: {path.name_another()}"
    ),
    errno.EEXIST: _Refusal("something else is there already", _or_another("move it away")),
    errno.EISDIR: _Refusal("it is a folder, not a file", UnusablePath.name_another),
    errno.ENOENT: _Refusal("it is not there", UnusablePath.look_for_typing_error),
    errno.ENAMETOOLONG: _Refusal("the name is too long", UnusablePath.name_another),
    errno.ELOOP: _Refusal("its links lead in a circle", lambda path: f"ls -l {path.name}; or {path.name_another()}"),
    errno.ENXIO: _Refusal("it cannot be opened as a file", UnusablePath.name_another),
    errno.ENODEV: _Refusal("it cannot be opened as a file", UnusablePath.name_another),
    errno.EFBIG: _Refusal("it would be too large for its file system", UnusablePath.name_another),
    errno.ETXTBSY: _Refusal("a running program uses it", _or_another("end that program")),
    errno.EIO: _Refusal("the disk could not read or write it", _always("dmesg tells what the disk reported")),
    errno.ESTALE: _Refusal("the file server has forgotten it", _always("mount it again and run the same command")),
    errno.EMFILE: _Refusal("too many files are open", _RAISE_LIMIT),
    errno.ENFILE: _Refusal("too many files are open on this machine", _RAISE_LIMIT),
}
_DECISIVE = frozenset(_REFUSALS) - {errno.ENOENT, errno.EEXIST, errno.EISDIR}
"""Where whoever met the error cannot know better what helps."""
_NAMELESS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EMFILE, errno.ENFILE})
"""What writing to an open file, or opening any, may end in: the system names no file then."""


def explain(error: OSError, run: FailedRun) -> EdgekitError | None:
    """The error for the user; None where the user cannot have caused it: a bug."""
    error = _cause(error)
    if isinstance(error, _NETWORK):
        reason = getattr(error, "reason", None) or error.strerror or error
        return Unreachable(
            f"the connection failed: {reason}", hint="look at the network and run the same command again"
        )
    if not _has_folder():
        return InputError("the current folder is not there any more", hint=_NO_FOLDER)
    refusal = _REFUSALS.get(error.errno or 0)
    named = isinstance(error.filename, str | bytes)
    if refusal is None or not (named or error.errno in _NAMELESS):
        return None
    name = os.fsdecode(error.filename) if named else ""
    return InputError(f"{name or 'a file'}: {refusal.reason}", hint=refusal.hint(UnusablePath(name, run)))


def with_cure(error: EdgekitError, run: FailedRun) -> EdgekitError:
    """The same error with the hint that fits what the operating system refused, where that is what stopped the work.

    A full disk looks like a broken download to whoever fetches, and like a broken package to whoever builds.
    """
    below = _os_error_below(error)
    if below is not None and not _has_folder():
        return _replaced(error, error.message, _NO_FOLDER)
    hint = _hint_below(below, run) or _hint_in_words(error, run)
    if not hint:
        return error
    full = hint.startswith(MAKE_ROOM) and "o space" not in error.message
    return _replaced(error, f"{error.message}{': no space was left on the disk' if full else ''}", hint)


def _hint_below(below: OSError | None, run: FailedRun) -> str:
    """The hint of an error of the operating system that another one came from; empty where it decides nothing."""
    found = explain(below, run) if below is not None and below.errno in _DECISIVE else None
    return found.hint if isinstance(found, InputError) else ""


def _hint_in_words(error: EdgekitError, run: FailedRun) -> str:
    """The hint against a full disk, where a program says that it met one and a disk here is nearly full."""
    if not isinstance(error, _MADE_HERE) or not _FULL.search(f"{error.message}\n{error.details}"):
        return ""
    little = any(shutil.disk_usage(mount).free < _LITTLE_BYTES for mount in usual_mounts(run.settings))
    return UnusablePath("", run).make_room() if little else ""


def _replaced(error: EdgekitError, message: str, hint: str) -> EdgekitError:
    return type(error)(message, hint=hint, details=error.details)


def _os_error_below(error: BaseException) -> OSError | None:
    below = error.__cause__ or error.__context__
    for _ in range(_DEPTH):
        if below is None or isinstance(below, OSError):
            return below
        below = below.__cause__ or below.__context__
    return None


def _cause(error: OSError) -> OSError:
    """What really happened, where a library has put several errors into one."""
    if isinstance(error, shutil.Error) and error.args and isinstance(error.args[0], list):
        _, path, reason = error.args[0][0]
        number = next((code for code in _REFUSALS if os.strerror(code) in str(reason)), 0)
        return OSError(number, os.strerror(number), str(path)) if number else error
    if isinstance(error, urllib.error.URLError) and isinstance(error.reason, OSError):
        return error.reason if error.reason.errno in _REFUSALS and not isinstance(error.reason, _NETWORK) else error
    return error


def _has_folder() -> bool:
    try:
        Path.cwd()
    except OSError:
        return False
    return True
