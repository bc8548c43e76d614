"""uv, as edgekit runs it: never fetching an interpreter unasked, and never reading configuration files.

The user's index settings count (`UV_DEFAULT_INDEX`, `UV_INDEX`, `UV_FIND_LINKS` ...).
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from edgekit.executor import Completed, Executor
from edgekit.host.wheel.needs import Index, Rules, Wanted, name_of
from edgekit.host.wheel.question import KnownPackage, Question, bound_names, met_names, written

_RESOLVE_TIMEOUT_S = 300.0
_INSTALL_TIMEOUT_S = 1800.0
_FIND_TIMEOUT_S = 60.0
_ENV = {"UV_PYTHON_DOWNLOADS": "never", "NO_COLOR": "1", "UV_COMPILE_BYTECODE": "0", "COLUMNS": "10000"}
"""Its words are read, so its lines are not to be broken at the width of the user's terminal."""
_NO_CODE = {**_ENV, "PYTHONHOME": "/nonexistent"}
"""A Python that uv would start to ask a package for its metadata ends before its first line: it does not find its own
library. uv itself asks its interpreter with -I, which leaves PYTHONHOME out of account. Source: CPython, PYTHONHOME."""
_COPIED = {**_ENV, "UV_LINK_MODE": "copy"}
"""Files of their own: a link would let an edit in any environment of the user reach what edgekit keeps and signs."""
_AS_PYLOCK = ("--format", "pylock.toml", "--no-annotate", "--no-header")
_WITH_PARENTS = ("--annotation-style", "line", "--no-header")


class Uv:
    """The uv program."""

    def __init__(self, executor: Executor, program: str) -> None:
        self._executor = executor
        self._program = program

    def resolve(
        self,
        wanted: Wanted,
        built: Iterable[Path] = (),
        *,
        binary: Iterable[str] = (),
        known: Iterable[KnownPackage] = (),
    ) -> Completed:
        """Find a set of packages; standard output is pylock.toml. Source: PEP 751.

        No code of any package runs: where only that would tell what a package needs, uv fails and names the package.

        Args:
            wanted: requirements, rules and system.
            built: folders of wheels that were built here; they count as if an index had them.
            binary: names of packages that only wheels will do for.
            known: packages whose needs are known, or are taken to be none.
        """
        return self._compile(_AS_PYLOCK, wanted, _links(built) + _only("binary", binary), tuple(known))

    def parents(self, wanted: Wanted, built: Iterable[Path], known: Iterable[KnownPackage]) -> Completed:
        """As `resolve`; lines `name==version  # via NAME, NAME` say who needs what."""
        return self._compile(_WITH_PARENTS, wanted, _links(built), tuple(known))

    def resolve_alone(
        self, wanted: Wanted, requirement: str, *, sources_only: bool = False, lowest: bool = False
    ) -> Completed:
        """Find one requirement without what it needs in turn; source packages too. Output as of `resolve`.

        Args:
            wanted: the system and its indexes; other requirements do not count.
            requirement: what to find.
            sources_only: leave out wheels.
            lowest: take the lowest version, not the highest.
        """
        name = name_of(requirement)
        options = ["--no-deps"] + ["--resolution", "lowest"] * lowest + _only("sources", [name] * sources_only)
        return self._compile(_AS_PYLOCK, wanted.only(requirement), options, (KnownPackage(name=name),))

    def install(self, wanted: Wanted, lock: str, folder: Path, index: Index | None = None) -> Completed:
        """Unpack locked wheels into `folder`; each has to have its hash.

        Args:
            wanted: the system; of its rules those indexes count that are there for every package.
            lock: requirements, a line each.
            folder: gets what is in them.
            index: has these packages.
        """
        open_to_all = tuple(index for index in wanted.rules.indexes if not index.packages)
        own = (dataclasses.replace(index, packages=frozenset()),) if index else ()
        with written(Question(rules=Rules(indexes=(*own, *open_to_all)))) as (options, _):
            argv = ["install", "--no-deps", "--only-binary", ":all:", "--require-hashes", "--target", str(folder)]
            return self._for_target([*argv, *options, "-r", "-"], wanted, [lock], _INSTALL_TIMEOUT_S, env=_COPIED)

    def install_file(self, wanted: Wanted, wheel: Path, folder: Path, words: Iterable[str]) -> Completed:
        """Unpack a wheel file and what it needs into `folder`; what comes from an index is not locked.

        Args:
            wanted: the system; its requirements do not count.
            wheel: the file.
            folder: where to.
            words: further arguments of `uv pip install`.
        """
        argv = ["install", "--only-binary", ":all:", "--target", str(folder), *words, "-r", "-"]
        return self._for_target(argv, wanted, [wheel.absolute().as_uri()], _INSTALL_TIMEOUT_S)

    def install_here(self, locked: str, folder: Path) -> Completed:
        """Unpack wheels for this machine into `folder`; each line of `locked` has its hashes."""
        argv = ["install", "--no-deps", "--only-binary", ":all:", "--require-hashes", "--target", str(folder)]
        return self._pip([*argv, "--python", sys.executable, "-r", "-"], locked, _INSTALL_TIMEOUT_S, env=_COPIED)

    def make_environment(self, folder: Path, interpreter: Path) -> Completed:
        """A virtual environment of an interpreter, with nothing in it."""
        argv = [self._program, "venv", "--quiet", "--no-config", "--no-project", "--python", str(interpreter)]
        return self._executor.run([*argv, str(folder)], timeout_s=_FIND_TIMEOUT_S, env=_ENV)

    def lock_here(self, requirements: Iterable[str], interpreter: Path) -> Completed:
        """Pin requirements, and what they need, for an interpreter of this machine; lines with hashes.

        Wheels alone: a source package would be built outside of the closed environment.
        """
        argv = ["compile", "--only-binary", ":all:", "--no-annotate", "--no-header", "--generate-hashes"]
        return self._pip([*argv, "--python", str(interpreter), "-"], "\n".join(requirements), _RESOLVE_TIMEOUT_S)

    def fill_environment(self, folder: Path, locked: str) -> Completed:
        """Install pinned packages into a virtual environment, and take out all others."""
        argv = ["sync", "--only-binary", ":all:", "--require-hashes", "--allow-empty-requirements"]
        return self._pip([*argv, "--python", str(folder / "bin/python"), "-"], locked, _INSTALL_TIMEOUT_S, env=_COPIED)

    def find_python(self, minor: str) -> Path | None:
        """An interpreter of a minor version on this machine."""
        argv = [self._program, "python", "find", minor, "--no-project", "--no-config", "--quiet"]
        done = self._executor.run(argv, timeout_s=_FIND_TIMEOUT_S, env=_ENV)
        return Path(done.text) if done.returncode == 0 and done.text else None

    def fetch_python(self, minor: str) -> Completed:
        """Fetch an interpreter of a minor version, to where uv keeps them."""
        argv = [self._program, "python", "install", minor, "--no-config", "--no-bin", "--quiet"]
        return self._executor.run(argv, timeout_s=_RESOLVE_TIMEOUT_S, env=_ENV | {"UV_PYTHON_DOWNLOADS": "manual"})

    def _compile(
        self, form: Sequence[str], wanted: Wanted, options: Sequence[str], known: Collection[KnownPackage]
    ) -> Completed:
        """`uv pip compile`, asked again while it meets packages that an index of the recipe is to have."""
        rules, indexed = wanted.rules, bound_names(wanted.rules, map(name_of, wanted.requirements))
        while True:
            question = Question(rules=rules, known=known, indexed=indexed)
            with written(question) as (more, files):
                argv = ["compile", *form, *options, *more, "--no-build-isolation", "-", *files]
                done = self._for_target(argv, wanted, wanted.requirements, env=_NO_CODE)
            if met_names(rules, done) <= indexed:
                return done
            indexed |= met_names(rules, done)

    def _for_target(
        self, argv: list[str], wanted: Wanted, lines: Iterable[str], timeout_s: float = _RESOLVE_TIMEOUT_S, **more: Any
    ) -> Completed:
        system = ["--python-platform", wanted.platform, "--python-version", wanted.python, "--python", sys.executable]
        return self._pip([argv[0], *system, *argv[1:]], "\n".join(lines), timeout_s, **more)

    def _pip(self, argv: list[str], stdin: str, timeout_s: float, env: Mapping[str, str] = _ENV) -> Completed:
        configured = [] if "--config-file" in argv else ["--no-config"]
        quiet = [] if argv[0] == "compile" else ["--quiet"]  # which versions were yanked is said to the others alone
        return self._executor.run(
            [self._program, "pip", argv[0], *quiet, *configured, *argv[1:]],
            timeout_s=timeout_s,
            stdin=stdin.encode() + b"\n",
            env=env,
        )


def _links(folders: Iterable[Path]) -> list[str]:
    return [word for folder in folders for word in ("--find-links", str(folder))]


def _only(kind: str, names: Iterable[str]) -> list[str]:
    """Options that leave wheels alone of some packages, or source packages alone."""
    option = {"binary": "--only-binary", "sources": "--no-binary"}[kind]
    return [word for name in sorted(names) for word in (option, name)]
