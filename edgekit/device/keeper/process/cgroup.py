"""The keeper's own subtree of cgroup v2: a leaf for itself, and one per application with its limits.

Source: Linux, Documentation/admin-guide/cgroup-v2.rst; systemd, CGROUP_DELEGATION.md.
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from edgekit.device.keeper.process.kernel_files import number_of, table_of
from edgekit.errors import RolloutError
from edgekit.schema.plan import LimitsPlan
from edgekit.schema.units import format_cpus, parse_cpus

CONTROLLERS = ("cpu", "cpuset", "io", "memory", "pids")
_NEEDED = frozenset({"cpuset", "memory", "pids"})
_PERIOD_US, _LEAST_QUOTA_US = 100_000, 1000
"""Of `cpu.max`. Source: Linux, Documentation/scheduler/sched-bwc.rst."""
MOST_BESIDE = 3
"""So many leaves an application may have beside its own, each because what is in the one before does not end."""
_SECOND_WEIGHT = 25
"""Of 10,000; 100 is the usual one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryFigures:
    """What a leaf uses and has suffered. Zero where the kernel does not tell."""

    current: int = 0
    peak: int = 0
    """0 before Linux 5.19."""
    oom_kills: int = 0
    """Processes killed, `oom_kill`: a hint that something happened, not a count of incidents."""
    pressure_some_avg10: float = 0.0
    """Percent of the last 10 s in which some task waited for memory."""


class Leaf:
    """One application's cgroup."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def limit(self, limits: LimitsPlan, *, gives_way: bool = False) -> None:
        """Put the limits in place; the worker joins afterwards.

        Args:
            limits: what the kernel is told.
            gives_way: whether it has a fifth of the CPU time only where others want it, as far as leaves share it.

        Raises:
            RolloutError: the kernel does not take one of them, or the CPUs are not there.
        """
        self._renew()
        self._put("memory.max", str(limits.memory_max))
        self._put("memory.high", str(limits.memory_high or "max"))
        self._put("memory.swap.max", "0", optional=True)
        self._put("memory.oom.group", "1", optional=True)
        self._put("pids.max", str(limits.pids_max))
        if limits.cpu_weight:
            self._put("cpu.weight", str(limits.cpu_weight))
        if gives_way:
            self._put("cpu.weight", str(_SECOND_WEIGHT), optional=True)
        if limits.cpu_max:
            self._put("cpu.max", f"{max(_LEAST_QUOTA_US, round(limits.cpu_max * _PERIOD_US))} {_PERIOD_US}")
        self._put("cpuset.cpus", format_cpus(limits.cpuset_cpus))
        effective = self._read("cpuset.cpus.effective")
        absent = set(limits.cpuset_cpus) - set(parse_cpus(effective) if effective else ())
        if absent:
            raise RolloutError(
                f"CPUs {format_cpus(frozenset(absent))} are not to be had here, only {effective or 'none'}",
                hint="bring them online, or build the release for this board's CPUs",
            )

    def figures(self) -> MemoryFigures:
        """What the kernel counts for this leaf now."""
        return MemoryFigures(
            current=number_of(self.path / "memory.current") or 0,
            peak=number_of(self.path / "memory.peak") or 0,
            oom_kills=table_of(self.path / "memory.events").get("oom_kill", 0),
            pressure_some_avg10=self._pressure(),
        )

    def watch_events(self) -> int | None:
        """A descriptor that POLLPRI comes on when `memory.high` or `memory.max` was met, once `memory.events` was read
        there; None where there is no such file."""
        return _opened(self.path / "memory.events", os.O_RDONLY)

    def watch_stalls(self, stall_us: int, window_us: int) -> int | None:
        """A descriptor that POLLPRI comes on when tasks waited for memory for so long in a window.

        None before Linux 5.2, without CONFIG_PSI, and where this process may not. Source: Linux,
        Documentation/accounting/psi.rst, "Monitoring for pressure thresholds".
        """
        fd = _opened(self.path / "memory.pressure", os.O_RDWR)
        if fd is not None:
            try:
                os.write(fd, f"some {stall_us} {window_us}\0".encode())
            except OSError:
                os.close(fd)
                return None
        return fd

    def pids(self) -> tuple[int, ...]:
        """The processes in it. The kernel writes 0 for one that this keeper's namespace cannot see."""
        return tuple(int(line) for line in self._read("cgroup.procs").split() if line != "0")

    def kill(self) -> None:
        """SIGKILL to every process in it, also to those that are just being forked where the kernel can (5.14)."""
        try:
            (self.path / "cgroup.kill").write_text("1")
        except OSError:
            for pid in self.pids():
                _kill(pid)

    def remove(self) -> None:
        """Delete the cgroup itself; one that is not empty or not there stays as it is."""
        with contextlib.suppress(OSError):
            self.path.rmdir()

    def _renew(self) -> None:
        """Start with fresh counters: `memory.peak` is since the folder was made."""
        self.remove()
        self.path.mkdir(exist_ok=True)

    def _put(self, name: str, value: str, *, optional: bool = False) -> None:
        try:
            (self.path / name).write_text(value)
        except OSError as error:
            if not optional:
                raise RolloutError(
                    f"the kernel does not take {name} = {value}: {error.strerror}",
                    hint="edgekit doctor shows what this board can limit",
                ) from None

    def _read(self, name: str) -> str:
        try:
            return (self.path / name).read_text().strip()
        except OSError:
            return ""

    def _pressure(self) -> float:
        some = self._read("memory.pressure").partition("\n")[0]
        values = dict(word.split("=", 1) for word in some.split() if "=" in word)
        return float(values.get("avg10", 0))


class CgroupTree:
    """The subtree that systemd has handed to the keeper."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def settle(self, pid: int) -> None:
        """Move the keeper to a leaf of its own, then let the leaves beside it have controllers.

        Raises:
            OSError: the subtree is not the keeper's after all.
        """
        own = self.path / "keeper"
        own.mkdir(exist_ok=True)
        (own / "cgroup.procs").write_text(str(pid))
        offered = (self.path / "cgroup.controllers").read_text().split()
        enable = " ".join(f"+{name}" for name in CONTROLLERS if name in offered)
        (self.path / "cgroup.subtree_control").write_text(enable)

    def confine_keeper(self, cpus: str) -> None:
        """Have the keeper itself, and what it starts besides workers, run on these CPUs."""
        with contextlib.suppress(OSError):
            (self.path / "keeper/cpuset.cpus").write_text(f"{cpus}\n")

    def leaf(self, application: str, beside: int = 0) -> Leaf:
        """An application's leaf, or one beside it by its number; made when it is first limited."""
        return Leaf(self.path / (f"app-{application}.{beside}" if beside else f"app-{application}"))

    def leaves(self) -> tuple[Leaf, ...]:
        """The leaves that there are, also those of a keeper before this one."""
        return tuple(Leaf(path) for path in sorted(self.path.glob("app-*")) if path.is_dir())


@dataclass(frozen=True, slots=True, kw_only=True)
class Limiter:
    """Whether limits can be enforced here: `tree`, or `note` says why not."""

    tree: CgroupTree | None
    note: str

    def forget(self, application: str) -> None:
        """Delete the leaves of an application that is no more."""
        if self.tree:
            for beside in range(MOST_BESIDE + 1):
                self.tree.leaf(application, beside).remove()


def find_limiter(*, root: Path, proc: Path, delegated: Callable[[Path], bool]) -> Limiter:
    """Take over the subtree that this process was started in, where it was delegated.

    Args:
        root: where cgroups are mounted: /sys/fs/cgroup.
        proc: /proc.
        delegated: whether a cgroup was handed to this process; see `is_delegated`.
    """
    if not (root / "cgroup.controllers").exists():
        mounted = "cgroup v1" if root.is_dir() and any(root.iterdir()) else "no cgroups"
        return Limiter(tree=None, note=f"{mounted} on this system: limits need cgroup v2")
    lines = (proc / "self/cgroup").read_text().splitlines()
    own = next((line[3:] for line in lines if line.startswith("0::")), "/")
    path = root / own.strip("/")
    if path.name == "keeper":
        path = path.parent
    if own == "/" or not delegated(path):
        return Limiter(tree=None, note="this keeper's cgroup is not delegated to it: run it as a systemd service")
    lacking = _NEEDED - set((path / "cgroup.controllers").read_text().split())
    if lacking:
        return Limiter(tree=None, note=f"the kernel or systemd gives no {', '.join(sorted(lacking))} controller")
    tree = CgroupTree(path)
    try:
        tree.settle(os.getpid())
    except OSError as error:
        return Limiter(tree=None, note=f"the cgroup {path} cannot be used: {error.strerror}")
    return Limiter(tree=tree, note="")


def is_delegated(path: Path) -> bool:
    """Whether systemd has marked a cgroup as handed over. Source: systemd.resource-control(5), "Delegate="."""
    for name in ("user.delegate", "trusted.delegate"):
        try:
            if os.getxattr(path, name) == b"1":
                return True
        except OSError:
            continue
    return False


def _opened(file: Path, how: int) -> int | None:
    try:
        return os.open(file, how | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return
