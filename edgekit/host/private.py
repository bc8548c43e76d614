"""Refuses folders of edgekit's own that others may write, as ssh does, and those whose path a build cannot use.

What lies in them is signed: whoever can write there signs with the user's key.
"""

from __future__ import annotations

import os
import re
import shlex
import stat
from pathlib import Path

from edgekit.errors import InputError, TrustError
from edgekit.host.settings import Settings

_NO_PATH = re.compile(r"""[\s'"`$%\\;:,&|<>()*?\[\]{}#!]""")
"""Makefiles, compiler flags and scripts of source packages take such a character of a path for one of their own."""


def check_folders(settings: Settings) -> None:
    """Look at the folders that hold keys, caches and state; those that are not there yet are fine.

    Raises:
        InputError: the cache's path has a character that builds cannot take.
        TrustError: somebody else may write into a folder, or exchange it.
    """
    if found := _NO_PATH.search(str(settings.cache_dir)):
        raise InputError(
            f"{settings.cache_dir}: the cache's path holds {found[0]!r}, which compilers and build scripts misread",
            hint="export EDGEKIT_HOME=/a/path/without/it",
        )
    _check_uv_cache(settings.uv_cache)
    for folder in (settings.config_dir, settings.cache_dir, settings.state_dir):
        _check_own(folder)
        real = Path(os.path.realpath(folder))  # a link leads to folders that are not above it
        for above in dict.fromkeys((*folder.absolute().parents, *real.parents)):
            _check_above(above)


def _check_uv_cache(folder: Path) -> None:
    """uv's cache: a group may share it, as umask 002 makes folders, but it is the user's own."""
    try:
        found = folder.stat()
    except OSError:
        return
    others = found.st_uid not in (0, os.geteuid())
    if others or found.st_mode & stat.S_IWOTH:
        whose = "belongs to another user" if others else "may be written by everybody"
        raise TrustError(
            f"uv's cache {folder} {whose}, who could change what you sign",
            hint="export UV_CACHE_DIR=/a/folder/of/your/own",
        )


def _check_own(folder: Path) -> None:
    try:
        found = folder.stat()
    except OSError:
        return
    if not stat.S_ISDIR(found.st_mode):  # whoever needs it says so
        return
    if found.st_uid not in (0, os.geteuid()):
        raise TrustError(
            f"{folder} belongs to another user, who could change what you sign",
            hint=f"{'sudo ' if os.geteuid() else ''}chown -R {os.geteuid()} {shlex.quote(str(folder))}",
        )
    if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise _writable(folder, found)


def _check_above(folder: Path) -> None:
    """A folder above: a group may share it, but not everybody, except where nobody can rename what is another's."""
    try:
        found = folder.stat()
    except OSError:
        return
    if stat.S_ISDIR(found.st_mode) and found.st_mode & stat.S_IWOTH and not found.st_mode & stat.S_ISVTX:
        raise _writable(folder, found)


def _writable(folder: Path, found: os.stat_result) -> TrustError:
    hint = f"chmod go-w {shlex.quote(str(folder))}"
    if os.geteuid() not in (0, found.st_uid):
        hint = f"export EDGEKIT_HOME=/a/folder/of/your/own, or have its owner run: {hint}"
    return TrustError(f"others may write into {folder}, and so change what you sign", hint=hint)
