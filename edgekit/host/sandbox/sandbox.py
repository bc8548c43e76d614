"""Runs programs that nobody vouches for, in the best sandbox that this machine allows."""

from __future__ import annotations

import dataclasses
import shutil
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from edgekit.executor import Completed, Executor
from edgekit.host.progress import Progress
from edgekit.host.sandbox.box import Box, RootPlan, SystemRoot, look_at_system, plan_root
from edgekit.host.sandbox.bubblewrap import PROGRAM, bubblewrap_argv
from edgekit.host.sandbox.namespaces import namespaces_argv

SandboxKind = Literal["bubblewrap", "namespaces", "none"]
_TIMEOUT_S = 30.0
_PATH = "/usr/local/bin:/usr/bin:/bin"
_NAMESPACES = ("mnt", "net", "pid", "ipc")
_TELL = "for kind in {names}; do readlink /proc/self/ns/$kind; done"
_SIGNALS = range(129, 129 + 64)
_RESTRICTED = Path("/proc/sys/kernel/apparmor_restrict_unprivileged_userns")


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxWay:
    """One way to have a sandbox."""

    kind: SandboxKind
    argv: Callable[[RootPlan, Sequence[str]], list[str]]
    """The command that runs another one in a file system of its own."""


class Sandbox:
    """Runs programs that see what their `Box` names, and nothing else of this machine or of the network.

    Which way there is gets tried when the first program is to be run, and is remembered for this object's life.

    Args:
        executor: this machine.
        progress: is told once where there is no way.
        ways: those to try, the best first.
    """

    def __init__(
        self, executor: Executor, progress: Progress, ways: Callable[[], Sequence[SandboxWay]] | None = None
    ) -> None:
        self._executor, self._progress = executor, progress
        self._ways = ways or usual_ways
        self._lock = threading.Lock()
        self._found: tuple[SandboxWay | None, SystemRoot] | None = None

    @property
    def kind(self) -> SandboxKind:
        """What programs run in here: for records of what was built. Tries it where that is not known yet."""
        way, _ = self._find()
        return way.kind if way else "none"

    def run(self, argv: Sequence[str], box: Box, *, timeout_s: float) -> Completed:
        """Run a program to its end, and end all that it has started. Raises as `Executor.run`.

        Where this machine allows no sandbox, it still gets the box's environment alone.
        """
        way, system = self._find()
        if way is None:
            return self._executor.run([*_clean(box), *argv], timeout_s=timeout_s, cwd=str(box.cwd))
        return self._run_in(way, system, argv, box, timeout_s)

    def _run_in(
        self, way: SandboxWay, system: SystemRoot, argv: Sequence[str], box: Box, timeout_s: float
    ) -> Completed:
        """What makes the sandbox gets the environment of the box too: inside, anybody could read it in /proc/1."""
        words = [*_clean(box), *way.argv(plan_root(box, system), argv)]
        done = self._executor.run(words, timeout_s=timeout_s, cwd="/")
        if done.returncode in _SIGNALS:
            return dataclasses.replace(done, returncode=128 - done.returncode)
        return done

    def _find(self) -> tuple[SandboxWay | None, SystemRoot]:
        with self._lock:
            if self._found is None:
                system = look_at_system()
                way = next((way for way in self._ways() if self._works(way, system)), None)
                if way is None:
                    self._progress.note(no_sandbox())
                self._found = way, system
            return self._found

    def _works(self, way: SandboxWay, system: SystemRoot) -> bool:
        """Whether a program really runs in it, and in namespaces that are not ours."""
        tell = ["/bin/sh", "-c", _TELL.format(names=" ".join(_NAMESPACES))]
        done = self._run_in(way, system, tell, Box(environment={"PATH": _PATH}, cwd=Path("/")), _TIMEOUT_S)
        ours = {str(Path(f"/proc/self/ns/{kind}").readlink()) for kind in _NAMESPACES}
        theirs = set(done.text.splitlines())
        return done.returncode == 0 and len(theirs) == len(_NAMESPACES) and not theirs & ours


def usual_ways() -> Sequence[SandboxWay]:
    """bubblewrap where it is installed, else the kernel's namespaces alone."""
    bare = SandboxWay(kind="namespaces", argv=namespaces_argv)
    program = shutil.which(PROGRAM)
    if program is None:
        return (bare,)
    return SandboxWay(kind="bubblewrap", argv=lambda plan, argv: bubblewrap_argv(program, plan, argv)), bare


def no_sandbox(restricted: Path = _RESTRICTED) -> str:
    """A sentence and what helps, for a machine that allows no sandbox."""
    said = "no sandbox can be had here: code of source packages runs as you, with your files and the network"
    if restricted.is_file() and restricted.read_text().strip() != "0":
        return f"{said}; AppArmor forbids it: sudo sysctl -w kernel.{restricted.name}=0"
    if not shutil.which(PROGRAM):
        return f"{said}; apt-get install bubblewrap may help"
    return f"{said}; in a container, let it make user namespaces: docker run --security-opt seccomp=unconfined"


def _clean(box: Box) -> list[str]:
    return ["/usr/bin/env", "-i", *(f"{name}={value}" for name, value in box.environment.items())]
