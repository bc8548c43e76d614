"""Fetches NVRTC, once, and compiles kernels with it for one kind of GPU."""

from __future__ import annotations

import hashlib
import json
import platform
import sys
from dataclasses import dataclass
from pathlib import Path

from edgekit.errors import EngineError
from edgekit.executor import Executor
from edgekit.host.cache import Cache
from edgekit.host.disk import read_small
from edgekit.host.engine.nvrtc.cubin import read_cubin
from edgekit.host.installed import INSTALLER_FILES, check_installed
from edgekit.host.own_folder import temporary_folder
from edgekit.host.progress import Progress
from edgekit.host.sandbox.box import Box
from edgekit.host.sandbox.sandbox import Sandbox
from edgekit.schema.reader import from_toml
from edgekit.trust import sha256_file

_FORMAT = 1
"""Raise it when the same source is to be compiled in another way."""
_OPTIONS = ("--fmad=false", "--std=c++17")
"""Sums and products as picture.c computes them."""
_FETCH_S, _COMPILE_S = 600.0, 120.0
_ENV = {"UV_PYTHON_DOWNLOADS": "never", "NO_COLOR": "1", "UV_LINK_MODE": "copy"}
_MOST_BYTES = 4 << 20
_MOST_REGISTERS = 255
_CUBIN = "kernel.cubin"


@dataclass(frozen=True, slots=True, kw_only=True)
class NvrtcVersion:
    """A locked version."""

    package: str
    version: str
    library: str
    """Inside the package."""
    hashes: tuple[str, ...]
    """SHA-256 of the wheels that may be installed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NvrtcData:
    """`cross/nvrtc.toml`."""

    versions: dict[str, NvrtcVersion]
    """By CUDA's major version."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Nvrtc:
    """Compiles for boards."""

    folder: Path
    """Of the cache, for compilers and what they made."""
    data: Path
    """`cross/nvrtc.toml`."""
    uv: str
    find_links: tuple[str, ...] = ()
    """Folders or pages with wheels that go before any index: an offline mirror."""
    executor: Executor
    sandbox: Sandbox
    progress: Progress

    def compile(self, source: Path, kernel: str, *, sm: str, cuda: str) -> Path:
        """The program for a GPU, from the cache or made.

        Args:
            source: a CUDA file without includes.
            kernel: the one that it must have.
            sm: the GPU's compute capability, `8.7`.
            cuda: the board's CUDA, `12.6`.

        Returns:
            The cubin's file, in the cache.

        Raises:
            EngineError: NVRTC cannot be had or does not know that GPU, or the source does not compile.
        """
        version = self._version(cuda)
        made_of = [_FORMAT, _OPTIONS, sha256_file(source), source.name, kernel, sm, version.version, platform.machine()]
        key = f"cubin-{hashlib.sha256(json.dumps(made_of).encode()).hexdigest()[:24]}"

        def make(folder: Path) -> None:
            cubin = self._compiled(version, source, sm)
            _check(cubin, kernel, sm)
            (folder / _CUBIN).write_bytes(cubin)

        return Cache(self.folder, self.progress).get(key, make, f"{source.name} for SM {sm}").folder / _CUBIN

    def _version(self, cuda: str) -> NvrtcVersion:
        versions = from_toml(NvrtcData, self.data.read_text(encoding="utf-8"), str(self.data)).versions
        found = versions.get(cuda.partition(".")[0])
        if found is None:
            raise EngineError(
                f"no compiler for kernels of CUDA {cuda or '?'} is locked",
                hint=f"known are CUDA {', '.join(sorted(versions))}; frames are converted by the CPU without one",
            )
        return found

    def _compiled(self, version: NvrtcVersion, source: Path, sm: str) -> bytes:
        library = self._fetched(version) / version.library
        with temporary_folder("edgekit-nvrtc-") as scratch:
            work = Path(scratch)
            worker = work / "worker.py"
            worker.write_bytes((Path(__file__).parent / "worker.py").read_bytes())
            (work / source.name).write_bytes(source.read_bytes())
            options = [f"--gpu-architecture=sm_{sm.replace('.', '')}", *_OPTIONS]
            argv = [sys.executable, "-I", "-B", str(worker), str(library), source.name, _CUBIN, *options]
            # Its neighbour with built-in functions is opened by its bare name.
            environment = {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "LD_LIBRARY_PATH": str(library.parent)}
            readable = (self.folder, Path(sys.prefix), Path(sys.base_prefix))
            box = Box(environment=environment, cwd=work, readable=readable, writable=(work,))
            done = self.sandbox.run(argv, box, timeout_s=_COMPILE_S)
            if done.returncode:
                raise EngineError(
                    f"{source.name} does not compile for SM {sm} with NVRTC {version.version}",
                    hint=_HINTS.get(done.returncode, "this machine cannot run NVRTC: see above"),
                    details=done.output,
                )
            return read_small(work / _CUBIN, _MOST_BYTES)

    def _fetched(self, version: NvrtcVersion) -> Path:
        exact = f"{version.package}=={version.version}"
        lines = exact + "".join(f" --hash=sha256:{sha256}" for sha256 in version.hashes)

        def fill(folder: Path) -> None:
            argv = [self.uv, "pip", "install", "--quiet", "--no-config", "--no-deps", "--only-binary", ":all:"]
            argv += ["--require-hashes", "--python", sys.executable, "--target", str(folder), "-r", "-"]
            argv += [word for link in self.find_links for word in ("--find-links", link)]
            title = f"fetching NVRTC {version.version}, which compiles kernels for GPUs, 25 to 50 MB"
            with self.progress.step(title, usually="5 to 60 s"):
                done = self.executor.run(argv, timeout_s=_FETCH_S, stdin=lines.encode() + b"\n", env=_ENV)
            if done.returncode:
                raise EngineError(
                    f"{exact}, which compiles kernels for GPUs, cannot be fetched",
                    hint="check the network, or let UV_FIND_LINKS point to a folder with its wheel",
                    details=done.output,
                )
            check_installed(folder, EngineError, INSTALLER_FILES)

        return Cache(self.folder, self.progress).get(f"nvrtc-{version.version}", fill, exact).folder


_HINTS = {3: "report this: the source is edgekit's own"}


def _check(cubin: bytes, kernel: str, sm: str) -> None:
    found = read_cubin(cubin)
    if found.sm != sm or kernel not in found.kernels:
        raise EngineError(
            f"NVRTC made {', '.join(found.kernels) or 'nothing'} for SM {found.sm}, asked was {kernel} for SM {sm}",
            hint="report this",
        )
    if not 0 < found.kernels[kernel] <= _MOST_REGISTERS:
        raise EngineError(f"{kernel} takes {found.kernels[kernel]} registers of each thread", hint="report this")
