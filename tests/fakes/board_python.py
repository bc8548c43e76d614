"""A board's own Python under user-mode emulation, as edgekit tries wheels on it."""

from __future__ import annotations

import dataclasses
import os
import tempfile
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from edgekit.executor.local import LocalExecutor
from edgekit.host.progress import Silent
from edgekit.host.settings import Settings
from edgekit.host.wheel.cross.paths import CrossPaths
from edgekit.host.wheel.debian import Debian
from edgekit.host.wheel.interpreter import Interpreter
from edgekit.host.wheel.trial.board_python import BoardPython, Machines, board_python
from tests.fakes.sandboxes import open_sandbox

UNUSED = Interpreter(path=Path("/nonexistent"), version="", prefix=Path("/nonexistent"))


@dataclass(frozen=True)
class Said:
    """What a program has said."""

    returncode: int
    stdout: str
    stderr: str


@dataclass(frozen=True)
class DebianPython:
    """Debian's Python of a minor version."""

    python: BoardPython

    def run(self, site: Path, code: str, preload: Path | None = None) -> Said:
        """Run code with a folder of packages on the path."""
        more = (("LD_LIBRARY_PATH", str(preload)),) if preload else ()
        python = dataclasses.replace(self.python, environment=(*self.python.environment, *more))
        with tempfile.TemporaryDirectory() as folder:
            done = python.run(("-c", code), site, Path(folder), open_sandbox(), 300)
        return Said(done.returncode, done.stdout.decode(), done.stderr.decode())


def debian_python(minor: str, settings: Settings) -> DebianPython:
    """Fetch it, or take it from the user's cache."""
    paths = CrossPaths(cache=settings.cache_dir, cross=settings.data_dir / "cross")
    debian = Debian(
        data=paths.cross / "debian",
        roots=paths.roots,
        answers=paths.archive_answers,
        downloads=paths.sources,
        archive=settings.debian_archive,
        executor=LocalExecutor(),
        progress=Silent(),
    )
    machines = Machines(here=os.uname().machine, arch="aarch64", python=minor, cpu="cortex-a76")
    python = board_python(machines, UNUSED, debian)
    assert isinstance(python, BoardPython), python
    return DebianPython(python)


def unpack(wheels: Iterable[Path], site: Path) -> Path:
    """Lay wheels out as an installer would."""
    for wheel in wheels:
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(site)
    return site
