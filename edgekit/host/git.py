"""Which commit a folder is at, and what in it is not as it was committed. Asked of git; nothing is written.

Source: git, git-status(1), gitrepository-layout(5).
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from edgekit.errors import EdgekitError
from edgekit.executor import Executor

_TIMEOUT_S = 60.0
_CLEARED = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX")
"""Set by git for its hooks: a build that a hook starts asks of its own folder all the same."""
_GIT = (*("env", *(word for name in _CLEARED for word in ("-u", name))), "git", "--no-optional-locks")
"""Without the locks, asking does not rewrite the index, which would count as a change of an input."""
_GIT_PLAIN = (*_GIT, "-c", "core.fsmonitor=false", "-c", "core.quotePath=false")
"""Without a program that the repository names."""
_SCP = re.compile(r"(?:[\w.-]+@)?(?P<host>[\w.-]+):(?P<path>[^/:][^:]*)")
"""`git@example.org:team/line.git`. Source: git-clone(1), GIT URLS."""
_MOST_PARENTS = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class GitState:
    """What git says of a folder."""

    commit: str
    """Empty: in no repository, or git does not say."""
    path: str = ""
    """The folder, relative to the repository's; empty: it is the repository's own."""
    remote: str = ""
    """Where the repository is from, as SPDX writes it, without user and password; empty: nowhere that others reach."""
    changed: tuple[str, ...] = ()
    """Paths in the folder that are not as they were committed, sorted."""
    unknown: str = ""
    """Why git does not say."""


def git_state(folder: Path, used: Collection[str], executor: Executor) -> GitState:
    """Ask git of a folder.

    Args:
        folder: what to ask of.
        used: paths below it that matter even where git ignores them.
        executor: runs git.
    """
    try:
        asked = _ask(folder, ("rev-parse", "--show-prefix", "HEAD"), executor)
        prefix, commit = asked.split("\n")[:2]
        status = _ask(
            folder,
            ("status", "--porcelain=v1", "-z", "--untracked-files=all", "--ignored=matching", "--", "."),
            executor,
        )
    except (EdgekitError, ValueError) as error:
        return GitState(commit="", unknown=error.message if isinstance(error, EdgekitError) else "git says nothing")
    return GitState(
        commit=commit,
        path=prefix.rstrip("/"),
        remote=_remote(folder, executor),
        changed=tuple(sorted(_changed(status, prefix, used))),
    )


def git_files(folder: Path) -> tuple[Path, ...]:
    """Files whose stats change with the folder's commit, and with what is added to the next: no program is asked."""
    above = folder.absolute()
    for place in (above, *list(above.parents)[:_MOST_PARENTS]):
        found = _git_folder(place / ".git")
        if found is not None:
            return tuple(found / name for name in ("HEAD", "index", "logs/HEAD"))
    return ()


def _git_folder(place: Path) -> Path | None:
    """The folder of a repository; a worktree's `.git` is a file that names it."""
    if place.is_dir():
        return place
    try:
        word, _, path = place.read_text(encoding="utf-8", errors="replace")[:4096].partition(": ")
    except OSError:
        return None
    return place.parent / path.strip() if word == "gitdir" else None


def _ask(folder: Path, words: tuple[str, ...], executor: Executor) -> str:
    """What git answers. Raises EdgekitError."""
    done = executor.run([*_GIT_PLAIN, *words], timeout_s=_TIMEOUT_S, cwd=str(folder), env={"LC_ALL": "C"})
    if done.returncode:
        lines = [line for line in done.errors.splitlines() if line.startswith("fatal: ")]
        raise EdgekitError((lines[0].removeprefix("fatal: ") if lines else "git failed")[:200], hint="git status")
    return done.stdout.decode(errors="replace")


def _remote(folder: Path, executor: Executor) -> str:
    try:
        return clean_remote(_ask(folder, ("remote", "get-url", "origin"), executor).strip())
    except EdgekitError:
        return ""


def clean_remote(url: str) -> str:
    """A remote as others may see it: `git+https://example.org/line.git`, without user, password and query.

    Empty for a path on this machine. Source: SPDX 2.3, Package download location.
    """
    if found := _SCP.fullmatch(url):
        return f"git+ssh://{found['host']}/{found['path']}"
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return ""
    if parts.scheme not in ("http", "https", "ssh", "git") or not host:
        return ""
    return urlunsplit((f"git+{parts.scheme}", host + port, parts.path, "", ""))


def _changed(status: str, prefix: str, used: Collection[str]) -> set[str]:
    """Paths below the folder from `git status -z`. Ignored ones count where they, or files below them, are used."""
    changed: set[str] = set()
    entries = iter(status.split("\0"))
    for entry in entries:
        if not entry:
            continue
        letters, path = entry[:2], entry[3:].removeprefix(prefix)
        if "R" in letters or "C" in letters:
            changed.add(next(entries, "").removeprefix(prefix))
        if letters == "!!":
            changed.update(name for name in used if name == path or (path.endswith("/") and name.startswith(path)))
        else:
            changed.add(path)
    return changed - {""}
