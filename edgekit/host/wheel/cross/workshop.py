"""Sets up what cross-building for a target takes: interpreter, headers, compiler, C++ library; each when asked."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass

from edgekit.errors import WheelError
from edgekit.executor import Executor
from edgekit.host.progress import Progress
from edgekit.host.wheel.cross.abi import abi_of
from edgekit.host.wheel.cross.cpus import cpu_limits
from edgekit.host.wheel.cross.environment import Workshop, zig_caches
from edgekit.host.wheel.cross.headers import DebianHeaders, TargetPython, headers_from_debian, headers_from_here
from edgekit.host.wheel.cross.images import find_image
from edgekit.host.wheel.cross.places import Places
from edgekit.host.wheel.cross.toolchain import Compiler, Runtime, Toolchain, make_toolchain
from edgekit.host.wheel.cross.zig import install_zig, read_zig
from edgekit.host.wheel.debian import Debian, NoArchive, Root
from edgekit.host.wheel.interpreter import Finder, Interpreter
from edgekit.host.wheel.needs import Wanted
from edgekit.host.wheel.uv import Uv
from edgekit.schema.target import Target

_WARM_UP_TIMEOUT_S = 900.0
_WARM_UP = """
set -e
echo 'int one(void) {{ return 1; }}' > one.c
echo '#include <string>
std::string two() {{ return "2"; }}' > two.cpp
"{cc}" -O2 -fPIC -shared one.c -o one.so
"{cxx}" -O2 -fPIC -shared two.cpp -o two.so
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """Programs and voices that setting up takes."""

    uv: Uv
    executor: Executor
    finder: Finder
    progress: Progress
    jobs: int
    debian_archive: str
    """See `debian.Debian`."""
    pyconfig: str = ""
    """The board's own pyconfig.h, where a probe has read it."""

    def debian(self, places: Places) -> Debian:
        """Debian's packages, for the board."""
        return Debian(
            data=places.cross / "debian",
            roots=places.roots,
            downloads=places.sources,
            archive=self.debian_archive,
            executor=self.executor,
            progress=self.progress,
        )


class Workshops:
    """The workshops for one target: one for each compiler version and C++ library that packages ask for."""

    def __init__(self, target: Target, wanted: Wanted, places: Places, tools: Tools) -> None:
        self._abi = abi_of(wanted, target.os.soabi)
        self._image = find_image(target.os, places.cross)
        self._limits = cpu_limits(target.clusters, places.cross)
        self._places = places
        self._tools = tools
        self._zig = read_zig(places.cross / "zig")
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
            WheelError: compiler, interpreter or headers cannot be had.
        """
        key = (zig or self._zig.default, own_runtime)
        if key not in self._toolchains:
            self._toolchains[key] = self._toolchain(*key)
        if self._interpreter is None:
            self._interpreter = self._tools.finder.find_or_fetch(self._abi.python, self._tools.progress)
        if self._python is None:
            self._python = self._headers(self._interpreter)
        return Workshop(
            abi=self._abi,
            toolchain=self._toolchains[key],
            python=self._python,
            interpreter=self._interpreter,
            cache=self._places.root,
            jobs=self._tools.jobs,
        )

    def _toolchain(self, version: str, own_runtime: bool) -> Toolchain:
        tools, places = self._tools, self._places
        program = install_zig(version, self._zig, places.compilers, tools.uv, tools.progress)
        compiler = Compiler(
            program=program, version=version, data=self._zig, templates=places.cross / "zig", limits=self._limits
        )
        made = make_toolchain(self._abi, compiler, None if own_runtime else self._runtime(), places.toolchains)
        self._warm_up(made)
        return made

    def _warm_up(self, toolchain: Toolchain) -> None:
        """Have zig make its own libraries for the target now, once and told, and not within the first build."""
        done = toolchain.folder / ".warm"
        if done.exists():
            return
        script = _WARM_UP.format(cc=toolchain.bin / "cc", cxx=toolchain.bin / "c++")
        env = zig_caches(self._places.root)
        run = self._tools.executor.run
        step = self._tools.progress.step(f"preparing the compiler for {self._abi}, once")
        with step, tempfile.TemporaryDirectory(dir=self._places.root) as work:
            ended = run(["/bin/sh", "-c", script], timeout_s=_WARM_UP_TIMEOUT_S, env=env, cwd=work)
        if ended.returncode:
            hint = "see the compiler's words; edgekit wheel gc --days 0 makes room"
            raise WheelError(f"the compiler does not work for {self._abi}", hint=hint, details=ended.output)
        done.touch()

    def _runtime(self) -> Runtime | None:
        wanted = self._image.runtime
        root = self._root(wanted.set) if wanted else None
        return Runtime(root=root.folder, version=wanted.gcc, digest=root.digest) if root and wanted else None

    def _headers(self, interpreter: Interpreter) -> TargetPython:
        pyconfig = self._tools.pyconfig
        root = self._root(self._image.python) if self._image.python and not pyconfig else None
        if root is None:
            return headers_from_here(self._abi, interpreter, self._places.pythons, self._tools.executor, pyconfig)
        headers = DebianHeaders(root=root.folder, digest=root.digest, set=self._image.python)
        return headers_from_debian(self._abi, headers, self._places.pythons)

    def _root(self, wanted: str) -> Root | None:
        """Unpacked packages of the board's image; None, said once, where this machine knows no Debian archive."""
        try:
            return self._tools.debian(self._places).fetch_sets([wanted])
        except NoArchive as error:
            if not self._told:
                self._told = True
                self._tools.progress.note(
                    f"{error.message}: Python's headers are this machine's, C++ gets zig's own library"
                )
            return None
