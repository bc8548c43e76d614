"""A Python for the target that runs on this machine: Debian's own, unpacked, under user-mode emulation.

No root, no chroot, no binfmt. Source: QEMU's manual, User space emulator.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edgekit.executor import Completed
from edgekit.host.sandbox.box import Box
from edgekit.host.sandbox.left import read_left
from edgekit.host.sandbox.sandbox import Sandbox
from edgekit.host.wheel.debian import Debian, NoArchive
from edgekit.host.wheel.interpreter import Interpreter

_EMULATORS = ("qemu-aarch64-static", "qemu-aarch64")
_EMULATOR_SET = "emulator"
_LIMITS = """for limit in '-c 0' '-t {cpu_s}' '-v {kib}' '-f {blocks}'; do
  (ulimit $limit) 2> /dev/null && ulimit $limit
done
exec "$@" > out 2> err
"""
"""A limit that is lower already stays: setting it would end the shell."""
_MEMORY_BYTES = 8 << 30
"""Of address space: QEMU's own tables, the emulated program, and what that maps."""
_OUTPUT_BYTES = 16 << 20
_BLOCK_BYTES = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class BoardPython:
    """An interpreter that loads what was compiled for the target."""

    argv: tuple[str, ...]
    """What starts it."""
    readable: tuple[Path, ...] = ()
    """Where it is installed."""
    environment: tuple[tuple[str, str], ...] = ()

    def run(self, words: Sequence[str], site: Path, folder: Path, sandbox: Sandbox, timeout_s: float) -> Completed:
        """Run it with a folder of packages on its path, in the sandbox, bounded in time, memory and output.

        Args:
            words: its arguments.
            site: the packages.
            folder: an empty folder, where it runs.
            sandbox: of this machine.
            timeout_s: also of CPU time.

        Raises:
            EdgekitError: it took too long.
        """
        limits = _LIMITS.format(cpu_s=int(timeout_s) + 1, kib=_MEMORY_BYTES >> 10, blocks=_OUTPUT_BYTES // _BLOCK_BYTES)
        variables = {
            "PATH": "/usr/bin:/bin",
            "HOME": str(folder),
            "LANG": "C.UTF-8",
            "OPENBLAS_NUM_THREADS": "1",
            "OMP_NUM_THREADS": "1",
            "PYTHONPATH": str(site),
            "PYTHONDONTWRITEBYTECODE": "1",
            **dict(self.environment),
        }
        argv = ["/bin/sh", "-c", limits, "sh", *self.argv, "-S", "-s", *words]
        box = Box(environment=variables, cwd=folder, readable=(site, *self.readable), writable=(folder,))
        done = sandbox.run(argv, box, timeout_s=timeout_s)
        stdout, stderr = (read_left(folder / name, _OUTPUT_BYTES) for name in ("out", "err"))
        return Completed(argv=tuple(argv), returncode=done.returncode, stdout=stdout, stderr=stderr + done.stderr)


@dataclass(frozen=True, slots=True, kw_only=True)
class NoPython:
    """There is no such Python on this machine."""

    reason: str
    """A sentence's second half: `Debian has no Python 3.10 for arm64`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Machines:
    """What decides whether this machine can run the target's programs."""

    here: str
    """Architecture of this machine, `x86_64`."""
    arch: str
    """The target's."""
    python: str
    """Minor version of the target's Python."""
    cpu: str
    """The core to emulate, in QEMU's words."""


def board_python(machines: Machines, interpreter: Interpreter, debian: Debian) -> BoardPython | NoPython:
    """A Python for the target, fetched once.

    Args:
        machines: see there.
        interpreter: this machine's Python of the same minor version; it serves where the architectures are the same.
        debian: where arm64 packages and the emulator come from.

    Raises:
        WheelError: an archive fails.
    """
    if machines.arch == machines.here:
        return BoardPython(argv=(str(interpreter.path),), readable=(interpreter.path.parents[1], interpreter.prefix))
    if machines.arch != "aarch64":
        return NoPython(reason=f"no emulation of {machines.arch} is prepared")
    wanted = f"run{machines.python}"
    if not debian.has_set(wanted):
        return NoPython(reason=f"Debian has no Python {machines.python} for arm64")
    try:
        emulator = find_emulator(debian)
        root = debian.fetch_sets([wanted]).folder
    except NoArchive as error:
        return NoPython(reason=error.message)
    python = str(root / "usr" / "bin" / f"python{machines.python}")
    argv = (emulator, "-cpu", machines.cpu, "-L", str(root), python)
    environment = (("PYTHONHOME", str(root / "usr")),)
    return BoardPython(argv=argv, readable=(Path(emulator), root), environment=environment)


def find_emulator(debian: Debian) -> str:
    """QEMU's user-mode emulator for arm64: this machine's, else Debian's, unpacked into the cache.

    Raises:
        NoArchive: neither is to be had.
    """
    here = next(filter(None, map(shutil.which, _EMULATORS)), None)
    return here or str(debian.fetch_sets([_EMULATOR_SET]).folder / "usr" / "bin" / _EMULATORS[0])
