"""uv, as edgekit runs it: never fetching an interpreter unasked, and never reading configuration files.

The user's index settings count (`UV_DEFAULT_INDEX`, `UV_INDEX`, `UV_FIND_LINKS` ...).
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

from edgekit.executor import Completed, Executor
from edgekit.host.wheel.needs import Wanted

_RESOLVE_TIMEOUT_S = 300.0
_INSTALL_TIMEOUT_S = 1800.0
_FIND_TIMEOUT_S = 60.0
_ENV = {"UV_PYTHON_DOWNLOADS": "never", "NO_COLOR": "1", "UV_COMPILE_BYTECODE": "0"}
_AS_PYLOCK = ("compile", "--format", "pylock.toml", "--no-annotate", "--no-header")


class Uv:
    """The uv program."""

    def __init__(self, executor: Executor, program: str) -> None:
        self._executor = executor
        self._program = program

    def resolve(
        self, wanted: Wanted, built: Iterable[Path] = (), *, binary: Iterable[str] = (), deps: bool = True
    ) -> Completed:
        """Find a set of packages; standard output is pylock.toml. Source: PEP 751.

        Of a package that has nothing but its source, uv may run code here, for its metadata.

        Args:
            wanted: requirements and system.
            built: folders of wheels that were built here; they count as if an index had them.
            binary: names of packages that only wheels will do for; `:all:` stands for all.
            deps: whether to find what the requirements need too.
        """
        more = [word for folder in built for word in ("--find-links", str(folder))] + ["--no-deps"] * (not deps)
        more += [word for name in sorted(binary) for word in ("--only-binary", name)]
        return self._for_target([*_AS_PYLOCK, *more, "-"], wanted, wanted.requirements)

    def resolve_alone(
        self,
        wanted: Wanted,
        requirements: Iterable[str],
        *,
        unbuilt: Iterable[str],
        sources_only: bool = False,
        lowest: bool = False,
    ) -> Completed:
        """Find requirements without what they need in turn; source packages too. Output as of `resolve`.

        Args:
            wanted: the system; its requirements do not count.
            requirements: what to find.
            unbuilt: names of packages whose metadata nobody needs, so that uv does not run their code to get it.
            sources_only: leave out wheels.
            lowest: take the lowest version, not the highest.
        """
        known = ", ".join(f"{{ name = {json.dumps(name)}, requires-dist = [] }}" for name in sorted(unbuilt))
        more = [word for name in sorted(unbuilt) for word in ("--no-binary", name)] if sources_only else []
        more += ["--resolution", "lowest"] * lowest
        with tempfile.NamedTemporaryFile("w", suffix=".toml") as config:
            config.write(f"dependency-metadata = [{known}]\n")
            config.flush()
            argv = [*_AS_PYLOCK, "--no-deps", "--config-file", config.name, *more, "-"]
            return self._for_target(argv, wanted, requirements)

    def install(self, wanted: Wanted, lock: str, folder: Path) -> Completed:
        """Unpack locked wheels into `folder`; each has to have its hash."""
        argv = ["install", "--no-deps", "--only-binary", ":all:", "--require-hashes", "--target", str(folder)]
        return self._for_target([*argv, "-r", "-"], wanted, [lock], _INSTALL_TIMEOUT_S)

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
        return self._pip([*argv, "--python", sys.executable, "-r", "-"], locked, _INSTALL_TIMEOUT_S)

    def make_environment(self, folder: Path, interpreter: Path) -> Completed:
        """A virtual environment of an interpreter, with nothing in it."""
        argv = [self._program, "venv", "--quiet", "--no-config", "--no-project", "--python", str(interpreter)]
        return self._executor.run([*argv, str(folder)], timeout_s=_FIND_TIMEOUT_S, env=_ENV)

    def lock_here(self, requirements: Iterable[str], interpreter: Path) -> Completed:
        """Pin requirements, and what they need, for an interpreter of this machine; lines with hashes."""
        argv = ["compile", "--no-annotate", "--no-header", "--generate-hashes", "--python", str(interpreter), "-"]
        return self._pip(argv, "\n".join(requirements), _RESOLVE_TIMEOUT_S)

    def fill_environment(self, folder: Path, locked: str) -> Completed:
        """Install pinned packages into a virtual environment, and take out all others."""
        argv = ["sync", "--require-hashes", "--allow-empty-requirements", "--python", str(folder / "bin/python"), "-"]
        return self._pip(argv, locked, _INSTALL_TIMEOUT_S)

    def find_python(self, minor: str) -> Path | None:
        """An interpreter of a minor version on this machine."""
        argv = [self._program, "python", "find", minor, "--no-project", "--no-config", "--quiet"]
        done = self._executor.run(argv, timeout_s=_FIND_TIMEOUT_S, env=_ENV)
        return Path(done.text) if done.returncode == 0 and done.text else None

    def fetch_python(self, minor: str) -> Completed:
        """Fetch an interpreter of a minor version, to where uv keeps them."""
        argv = [self._program, "python", "install", minor, "--no-config", "--no-bin", "--quiet"]
        return self._executor.run(argv, timeout_s=_RESOLVE_TIMEOUT_S, env=_ENV | {"UV_PYTHON_DOWNLOADS": "manual"})

    def _for_target(
        self, argv: list[str], wanted: Wanted, lines: Iterable[str], timeout_s: float = _RESOLVE_TIMEOUT_S
    ) -> Completed:
        system = ["--python-platform", wanted.platform, "--python-version", wanted.python, "--python", sys.executable]
        return self._pip([argv[0], *system, *argv[1:]], "\n".join(lines), timeout_s)

    def _pip(self, argv: list[str], stdin: str, timeout_s: float) -> Completed:
        configured = [] if "--config-file" in argv else ["--no-config"]
        return self._executor.run(
            [self._program, "pip", argv[0], "--quiet", *configured, *argv[1:]],
            timeout_s=timeout_s,
            stdin=stdin.encode() + b"\n",
            env=_ENV,
        )
