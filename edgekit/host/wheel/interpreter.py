"""Pythons of this machine: of the target's minor version, for compiling its bytecode and building its wheels."""

from __future__ import annotations

import json
import platform
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from edgekit.errors import WheelError
from edgekit.executor import Executor
from edgekit.host.progress import Progress
from edgekit.host.wheel.uv import Uv

_TIMEOUT_S = 60.0
_TELL = """
import json, platform, sys
print(json.dumps([sys.implementation.cache_tag, platform.python_version(), sys.base_prefix]))
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Interpreter:
    """A CPython of this machine."""

    path: Path
    version: str
    """Full: patch versions compile a few files differently."""
    prefix: Path
    """Where its installation lies."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finder:
    """Finds interpreters: this one, what uv finds on PATH and keeps itself, and pyenv's."""

    uv: Uv
    executor: Executor
    pyenv_root: Path

    def find(self, minor: str) -> Interpreter | None:
        """A CPython of a minor version, or None."""
        if minor == f"{sys.version_info.major}.{sys.version_info.minor}" and sys.implementation.name == "cpython":
            version = platform.python_version()
            return Interpreter(path=Path(sys.executable), version=version, prefix=Path(sys.base_prefix))
        asked = (self._ask(path, minor) for path in self._candidates(minor))
        return next((interpreter for interpreter in asked if interpreter), None)

    def _candidates(self, minor: str) -> Iterator[Path]:
        """Candidates, pyenv's first: listing its folder is cheap."""
        yield from sorted(self.pyenv_root.glob(f"versions/{minor}.*/bin/python{minor}"), key=_patch, reverse=True)
        found = self.uv.find_python(minor)
        if found is not None:
            yield found

    def find_or_fetch(self, minor: str, progress: Progress) -> Interpreter:
        """A CPython of a minor version, fetched by uv where this machine has none.

        Raises:
            WheelError: it cannot be fetched.
        """
        here = self.find(minor)
        if here is not None:
            return here
        with progress.step(f"fetching Python {minor}, to build for it"):
            done = self.uv.fetch_python(minor)
        fetched = self.find(minor) if done.returncode == 0 else None
        if fetched is None:
            raise WheelError(
                f"building for Python {minor} needs a Python {minor} on this machine, and there is none",
                hint=f"install one so that `python{minor}` is on PATH (apt, pyenv or uv python install {minor})",
                details=done.output,
            )
        return fetched

    def _ask(self, path: Path, minor: str) -> Interpreter | None:
        done = self.executor.run([str(path), "-I", "-c", _TELL], timeout_s=_TIMEOUT_S)
        if done.returncode:
            return None
        tag, version, prefix = json.loads(done.text)
        fits = tag == "cpython-" + minor.replace(".", "")
        return Interpreter(path=path, version=version, prefix=Path(prefix)) if fits else None


def _patch(path: Path) -> tuple[int, ...]:
    """The numbers in `versions/3.10.13/...`."""
    return tuple(int(part) for part in path.parts[-3].split(".") if part.isdecimal())
