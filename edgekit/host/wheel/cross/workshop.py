"""Sets up what cross-building for a target takes, on demand: interpreter, headers, compiler, C++ library."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from edgekit.executor import Executor
from edgekit.host.cache import Cache
from edgekit.host.progress import Progress
from edgekit.host.sandbox.sandbox import Sandbox
from edgekit.host.wheel.cross.abi import abi_of
from edgekit.host.wheel.cross.cpus import cpu_limits
from edgekit.host.wheel.cross.downloads import Downloads
from edgekit.host.wheel.cross.environment import Workshop
from edgekit.host.wheel.cross.headers import DebianHeaders, TargetPython, headers_from_debian, headers_from_here
from edgekit.host.wheel.cross.images import find_image
from edgekit.host.wheel.cross.paths import CrossPaths
from edgekit.host.wheel.cross.toolchain import Compiler, CxxRuntime, Toolchain, make_toolchain
from edgekit.host.wheel.cross.zig import install_zig, read_zig, zig_program
from edgekit.host.wheel.debian import Debian, DebianPackage, NoArchive, Root
from edgekit.host.wheel.interpreter import Finder, Interpreter
from edgekit.host.wheel.needs import Wanted
from edgekit.host.wheel.uv import Uv
from edgekit.schema.target import Target


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """Programs and services that cross-building uses."""

    uv: Uv
    executor: Executor
    sandbox: Sandbox
    """For the code of packages."""
    finder: Finder
    progress: Progress
    jobs: int
    debian_archive: str
    """See `debian.Debian`."""
    pyconfig: str = ""
    """The board's own pyconfig.h, where a probe has read it."""
    downloads: Downloads
    """Source packages and wheels, from indexes."""

    def debian(self, paths: CrossPaths) -> Debian:
        """Debian's packages, for the board."""
        return Debian(
            data=paths.cross / "debian",
            roots=paths.roots,
            answers=paths.archive_answers,
            downloads=paths.sources,
            archive=self.debian_archive,
            executor=self.executor,
            progress=self.progress,
        )


class Workshops:
    """The workshops for one target: one for each compiler version and C++ library that packages ask for."""

    def __init__(self, target: Target, wanted: Wanted, paths: CrossPaths, tools: Tools) -> None:
        self._abi = abi_of(wanted, target.os.soabi)
        self._image = find_image(target.os, paths.cross)
        self._limits = cpu_limits(target.clusters, paths.cross)
        self._paths = paths
        self._tools = tools
        self._zig = read_zig(paths.cross / "zig")
        self._interpreter: Interpreter | None = None
        self._python: TargetPython | None = None
        self._toolchains: dict[tuple[str, bool], Toolchain] = {}
        self._told = False

    def open(self, zig: str = "", *, own_runtime: bool = False) -> Workshop:
        """A workshop.

        Args:
            zig: version of the compiler; empty: the ordinary one.
            own_runtime: whether C++ code gets zig's own library, linked in, and not the board's.

        Raises:
            WheelError: interpreter or headers cannot be had.
        """
        interpreter = self.interpreter()
        if self._python is None:
            self._python = self._headers(interpreter)
        key = (zig or self._zig.default, own_runtime)
        if key not in self._toolchains:
            self._toolchains[key] = self._toolchain(*key)
        compilers = self._cache(self._paths.compilers)
        runtime = None if own_runtime else self._runtime()
        read = (compilers.path(key[0]), self._toolchains[key].folder, self._python.folder, interpreter.prefix)
        return Workshop(
            abi=self._abi,
            toolchain=self._toolchains[key],
            python=self._python,
            interpreter=interpreter,
            cache=self._paths.root,
            jobs=self._tools.jobs,
            install=lambda: install_zig(key[0], self._zig, compilers, self._tools.uv, self._tools.progress),
            readable=(*read, *([runtime.root] if runtime else [])),
        )

    def interpreter(self) -> Interpreter:
        """This machine's Python of the target's minor version, fetched where there is none.

        Raises:
            WheelError: it cannot be had.
        """
        if self._interpreter is None:
            self._interpreter = self._tools.finder.find_or_fetch(self._abi.python, self._tools.progress)
        return self._interpreter

    def packages(self) -> tuple[DebianPackage, ...]:
        """Debian's packages that the headers and the C++ library are from; none where this machine has no archive."""
        own_headers = "" if self._tools.pyconfig else self._image.python
        sets = (own_headers, self._image.runtime.set if self._image.runtime else "")
        roots = [self._root(name) for name in dict.fromkeys(sets) if name]
        return tuple(dict.fromkeys(package for root in roots if root for package in root.packages))

    def _toolchain(self, version: str, own_runtime: bool) -> Toolchain:
        paths = self._paths
        compiler = Compiler(
            program=zig_program(version, self._cache(paths.compilers)),
            version=version,
            data=self._zig,
            templates=paths.cross / "zig",
            limits=self._limits,
        )
        runtime = None if own_runtime else self._runtime()
        return make_toolchain(self._abi, compiler, runtime, self._cache(paths.toolchains))

    def _runtime(self) -> CxxRuntime | None:
        wanted = self._image.runtime
        root = self._root(wanted.set) if wanted else None
        return CxxRuntime(root=root.folder, version=wanted.gcc, digest=root.digest) if root and wanted else None

    def _headers(self, interpreter: Interpreter) -> TargetPython:
        pyconfig = self._tools.pyconfig
        root = self._root(self._image.python) if self._image.python and not pyconfig else None
        cache = self._cache(self._paths.headers)
        if root is None:
            return headers_from_here(self._abi, interpreter, cache, self._tools.executor, pyconfig)
        headers = DebianHeaders(root=root.folder, digest=root.digest, set=self._image.python)
        return headers_from_debian(self._abi, headers, cache)

    def _cache(self, folder: Path) -> Cache:
        return Cache(folder, self._tools.progress)

    def _root(self, wanted: str) -> Root | None:
        """Unpacked packages of the board's image; None, with one note, where this machine knows no Debian archive."""
        try:
            return self._tools.debian(self._paths).fetch_sets([wanted])
        except NoArchive as error:
            if not self._told:
                self._told = True
                self._tools.progress.note(
                    f"{error.message}: Python's headers are this machine's, C++ gets zig's own library"
                )
            return None
