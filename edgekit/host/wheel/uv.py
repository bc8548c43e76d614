"""uv, as edgekit runs it: for another system's Python, with wheels alone, and never fetching an interpreter.

The user's index settings count (`UV_DEFAULT_INDEX`, `UV_INDEX`, `UV_FIND_LINKS` ...); configuration files do not.
"""

from __future__ import annotations

import sys
from pathlib import Path

from edgekit.executor import Completed, Executor
from edgekit.host.wheel.needs import Wanted

_RESOLVE_TIMEOUT_S = 300.0
_INSTALL_TIMEOUT_S = 1800.0
_FIND_TIMEOUT_S = 60.0
_ENV = {"UV_PYTHON_DOWNLOADS": "never", "NO_COLOR": "1", "UV_COMPILE_BYTECODE": "0"}


class Uv:
    """The uv program."""

    def __init__(self, executor: Executor, program: str) -> None:
        self._executor = executor
        self._program = program

    def resolve(self, wanted: Wanted) -> Completed:
        """Find a set of wheels; standard output is pylock.toml. Source: PEP 751."""
        return self._compile(wanted, "--only-binary", ":all:")

    def resolve_alone(self, wanted: Wanted) -> Completed:
        """Find the requirements alone, source packages too and without building any: tells why `resolve` failed."""
        return self._compile(wanted, "--no-deps")

    def install(self, wanted: Wanted, lock: str, folder: Path) -> Completed:
        """Unpack locked wheels into `folder`; each has to have its hash."""
        argv = ["install", "--no-deps", "--only-binary", ":all:", "--require-hashes", "--target", str(folder)]
        return self._pip([*argv, "-r", "-"], wanted, lock, _INSTALL_TIMEOUT_S)

    def find_python(self, minor: str) -> Path | None:
        """An interpreter of a minor version on this machine."""
        argv = [self._program, "python", "find", minor, "--no-project", "--no-config", "--quiet"]
        done = self._executor.run(argv, timeout_s=_FIND_TIMEOUT_S, env=_ENV)
        return Path(done.text) if done.returncode == 0 and done.text else None

    def _compile(self, wanted: Wanted, *more: str) -> Completed:
        argv = ["compile", "--format", "pylock.toml", "--no-annotate", "--no-header", *more, "-"]
        return self._pip(argv, wanted, "\n".join(wanted.requirements), _RESOLVE_TIMEOUT_S)

    def _pip(self, argv: list[str], wanted: Wanted, stdin: str, timeout_s: float) -> Completed:
        system = ["--python-platform", wanted.platform, "--python-version", wanted.python, "--python", sys.executable]
        return self._executor.run(
            [self._program, "pip", argv[0], "--quiet", "--no-config", *system, *argv[1:]],
            timeout_s=timeout_s,
            stdin=stdin.encode() + b"\n",
            env=_ENV,
        )
