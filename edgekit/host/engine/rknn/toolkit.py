"""The vendor's toolkit in a Python environment of its own, locked by hash and made once into the cache.

Its needs contradict edgekit's, so edgekit never imports it.
"""

from __future__ import annotations

import platform
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from edgekit.errors import EngineError
from edgekit.executor import Completed, Executor
from edgekit.host.cache import Cache
from edgekit.host.installed import INSTALLER_FILES, check_installed
from edgekit.host.progress import Progress
from edgekit.host.sandbox.box import Box
from edgekit.host.sandbox.sandbox import Sandbox
from edgekit.schema.units import format_bytes, version_tuple
from edgekit.trust import sha256_file

PYTHON = "3.11"
"""The newest that the toolkit's lock is made for."""
DEFAULT_VERSION = "2.3.2"
"""The newest whose runtime is public. Source: airockchip/rknn-toolkit2."""
_ROOM_BYTES = 2 << 30
"""It takes 1.3 GB, and as much again in uv's own cache: no link may lead from there to what is run here."""
_TIMEOUT_S = 1200.0
_CHECK_TIMEOUT_S = 180.0
_OFFLINE = re.compile(r"(?i)dns error|connection refused|failed to connect|client error|timed out|network is unreach")
_ENV = {"UV_PYTHON_DOWNLOADS": "never", "NO_COLOR": "1", "UV_LINK_MODE": "copy", "UV_COMPILE_BYTECODE": "0"}


@dataclass(frozen=True, slots=True, kw_only=True)
class LockedPackage:
    """One package of the environment."""

    requirement: str
    """`name==version --hash=sha256:...`."""
    bytes: int
    """Of its wheel."""

    @property
    def name(self) -> str:
        """`torch 2.13.0+cpu`."""
        return self.requirement.split()[0].replace("==", " ")


@dataclass(frozen=True, slots=True, kw_only=True)
class Toolkits:
    """Makes and finds toolkits."""

    folder: Path
    """Folder of the cache for them."""
    locks: Path
    """Folder with `rknn-VERSION.lock`."""
    uv: str
    find_links: tuple[str, ...] = ()
    """Folders or pages with wheels that go before any index: an offline mirror."""
    python: Path | None
    """An interpreter of version `PYTHON`; None: there is none."""
    executor: Executor
    sandbox: Sandbox
    """Tries what was installed."""
    progress: Progress

    @property
    def versions(self) -> tuple[str, ...]:
        """All that are locked, the oldest first."""
        names = (path.name.removeprefix("rknn-").removesuffix(".lock") for path in self.locks.glob("rknn-*.lock"))
        return tuple(sorted(names, key=version_tuple))

    def lock(self, version: str) -> Path:
        """The lock of a version."""
        return self.locks / f"rknn-{version}.lock"

    def open(self, version: str) -> Path:
        """The environment of a version, made if it is not there.

        Raises:
            EngineError: it cannot be made.
        """
        lock = self.lock(version)
        locked = read_lock(lock)
        key = f"rknn-{version}-{sha256_file(lock)[:8]}"
        cached = Cache(self.folder, self.progress).get(
            key, lambda folder: self._make(version, locked, folder), f"RKNN toolkit {version}"
        )
        if not cached.from_cache:
            size = format_bytes(sum(file.bytes for file in cached.content.files))
            self.progress.note(f"RKNN toolkit {version}: {size} in {cached.folder}")
        return cached.folder

    def _make(self, version: str, locked: tuple[LockedPackage, ...], folder: Path) -> None:
        interpreter = self._interpreter()
        self._check_room()
        self._run(["venv", "--no-project", "--relocatable", "--python", str(interpreter), str(folder)])
        total = sum(package.bytes for package in locked)
        with self.progress.amount(f"RKNN toolkit {version}", total) as advance:
            for package in locked:
                self._install(package, folder)
                advance(package.bytes)
        for site in folder.glob("lib/python*/site-packages"):
            check_installed(site, EngineError, INSTALLER_FILES)
        self._check(version, folder)

    def _install(self, package: LockedPackage, aside: Path) -> None:
        """Take a package from the user's own links or the index; builds of torch without CUDA have an index apart."""
        argv = ["pip", "install", "--no-deps", "--require-hashes", "--only-binary", ":all:"]
        argv += ["--python", str(aside / "bin/python"), "-r", "-"]
        links = [word for link in self.find_links for word in ("--find-links", link)]
        ways = [[*argv, *links]]
        if "+cpu " in package.requirement:
            ways = [[*argv, *links]] * bool(links) + [[*argv, "--torch-backend", "cpu"]]
        for index, way in enumerate(ways):
            done = self._uv(way, package.requirement)
            if done.returncode == 0:
                return
            if index + 1 == len(ways):
                raise _not_fetched(package, done.output)

    def _run(self, argv: list[str]) -> None:
        done = self._uv(argv, "")
        if done.returncode:
            raise EngineError("the RKNN toolkit's environment cannot be made", hint="see above", details=done.output)

    def _uv(self, argv: list[str], stdin: str) -> Completed:
        command = [self.uv, *argv, "--quiet", "--no-config"]
        return self.executor.run(command, timeout_s=_TIMEOUT_S, stdin=stdin.encode() + b"\n", env=_ENV)

    def _interpreter(self) -> Path:
        if platform.machine() != "x86_64" or platform.system() != "Linux":
            raise EngineError(
                f"RKNN engines are compiled on x86-64 Linux, this is {platform.system()} on {platform.machine()}",
                hint="build on such a machine, or for a target without an rknn accelerator",
            )
        if self.python is None:
            raise EngineError(
                f"the RKNN toolkit needs Python {PYTHON} on this machine, and there is none",
                hint=f"pyenv install {PYTHON}, uv python install {PYTHON}, or Debian 12's python{PYTHON}",
            )
        return self.python

    def _check_room(self) -> None:
        free = shutil.disk_usage(self.folder).free
        if free < _ROOM_BYTES:
            raise EngineError(
                f"the RKNN toolkit needs {format_bytes(_ROOM_BYTES)} in {self.folder}, {format_bytes(free)} are free",
                hint="free some space, or let EDGEKIT_HOME point to a larger disk",
            )

    def _check(self, version: str, folder: Path) -> None:
        """Import it once: what it lacks shows here and not in the middle of a build.

        That compiles its modules' bytecode, too: nobody writes into the folder later.
        """
        with self.progress.step(f"trying RKNN toolkit {version}"):
            argv = [str(folder / "bin/python"), "-I", "-c", "import rknn.api"]
            done = self.sandbox.run(argv, toolkit_box(folder, folder), timeout_s=_CHECK_TIMEOUT_S)
        if done.returncode:
            raise EngineError(
                f"RKNN toolkit {version} does not start on this machine", hint="see above", details=done.output
            )


def toolkit_box(toolkit: Path, work: Path) -> Box:
    """What the vendor's code may see: itself, the Python that it runs in, and a folder to work in.

    Its own environment variables it is given by the worker; nothing of the user's is handed on.
    """
    interpreter = (toolkit / "bin/python").resolve().parents[1]
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(work), "LC_ALL": "C.UTF-8"}
    return Box(environment=environment, cwd=work, readable=(toolkit, interpreter), writable=(work,))


def read_lock(file: Path) -> tuple[LockedPackage, ...]:
    """The packages of a lock file.

    Raises:
        EngineError: no such version is locked.
    """
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        raise EngineError(f"{file} is not there: no such toolkit is locked", hint="install edgekit again") from None
    found = (line.partition("  # ") for line in lines if line and not line.startswith("#"))
    return tuple(LockedPackage(requirement=requirement, bytes=int(size or 0)) for requirement, _, size in found)


def choose_version(runtime: str, known: tuple[str, ...]) -> str:
    """The toolkit for a board: the newest that is not newer than its runtime, which could not read newer files.

    Args:
        runtime: version of the board's librknnrt, `2.3.2 (429f97ae6b@...)`; empty where it is not known.
        known: versions to choose from, the oldest first.

    Raises:
        EngineError: the runtime is older than all of them.
    """
    if not runtime:
        return DEFAULT_VERSION
    there = version_tuple(runtime)
    fitting = [version for version in known if version_tuple(version) <= there]
    if not fitting:
        raise EngineError(
            f"the board's librknnrt is {runtime}, and files of toolkit {known[0]} need one as new",
            hint=f"put librknnrt {known[0]} on the board (/usr/lib/librknnrt.so), then correct the target's file",
        )
    return fitting[-1]


def _not_fetched(package: LockedPackage, output: str) -> EngineError:
    if _OFFLINE.search(output):
        return EngineError(
            f"{package.name}, which the RKNN toolkit needs, cannot be fetched: the package index is out of reach",
            hint="check the network, or let UV_FIND_LINKS point to a folder with the wheels of cross/rknn-*.lock",
            details=output,
        )
    return EngineError(
        f"{package.name}, which the RKNN toolkit needs, cannot be installed",
        hint="let UV_FIND_LINKS point to a folder that has it, or check UV_DEFAULT_INDEX",
        details=output,
    )
