"""How a worker's process comes to be: argument vector, environment, and the few steps before its first line runs.

The keeper never forks its own, threaded self to run Python: it starts a small interpreter that joins the worker's
cgroup leaf, gives up root, and becomes the worker's interpreter.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from edgekit.device.keeper.update.releases import Release

JOIN = """
import os, resource, sys
leaf, owner, realtime, *argv = sys.argv[1:]
if leaf:
    with open(leaf + "/cgroup.procs", "w") as file:
        file.write("0")
with open("/proc/self/oom_score_adj", "w") as file:
    file.write("500")
os.umask(0o027)
if realtime:
    try:
        resource.setrlimit(resource.RLIMIT_RTTIME, (int(realtime), int(realtime)))
        resource.setrlimit(resource.RLIMIT_RTPRIO, (1, 1))
    except (ValueError, OSError):
        pass
if owner:
    uid, gid, *groups = map(int, owner.split(":"))
    os.setgroups(groups)
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)
try:
    os.execv(argv[0], argv)
except OSError as error:
    sys.exit(f"{argv[0]}: {error.strerror}")
"""
"""Runs as `python -I -S -c JOIN LEAF UID:GID:GROUP... RTTIME_US PROGRAM...`. Where the keeper may not give the right to
realtime scheduling, the worker's lanes find out, and say so. The limits are in the leaf before. When the whole
board runs out of memory, the kernel ends a worker (500) before the keeper. Source: Linux, cgroup-v2, "Processes"."""

BOOT = (
    "import runpy, sys; sys.path[:0] = sys.argv.pop(1).split(':');"
    " runpy.run_module('edgekit.device.runtime', run_name='__main__', alter_sys=True)"
)
"""Runs as `python -I -c BOOT SITE[:APP] --release DIR --work DIR`: the release's packages come before the system's."""

_REALTIME_US = 1_000_000
"""How long a realtime thread may compute without waiting for anything: then SIGXCPU ends the worker, as nothing else
would get the CPU any more. Source: Linux, getrlimit(2), RLIMIT_RTTIME."""
_ALLOCATOR = {"MALLOC_MMAP_THRESHOLD_": "65536"}
"""glibc gives a picture's memory back when it is freed, and does not raise this threshold by itself: else pictures come
to lie in heaps, which stay large once eight cameras came back together. Source: mallopt(3)."""
_THREAD_POOLS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """The user that a worker runs as."""

    uid: int
    gid: int
    groups: tuple[int, ...]
    """The others that it is in: those that own cameras and accelerators."""

    def __str__(self) -> str:
        return ":".join(map(str, (self.uid, self.gid, *self.groups)))


def worker_argv(release: Release, work: Path, *, leaf: Path | None, owner: Owner | None) -> list[str]:
    """The command that starts a release's worker.

    Args:
        release: what to run.
        work: the worker's writable folder.
        leaf: the cgroup to join first, with its limits in place; None where limits are advisory.
        owner: whom to become; None stays the keeper's user.
    """
    plan = release.plan
    packages = ":".join(str(release.path / folder) for folder in (plan.site, plan.app) if folder)
    return [
        sys.executable,
        *("-I", "-S", "-c", JOIN),
        str(leaf or ""),
        str(owner or ""),
        str(_REALTIME_US if any(lane.realtime for lane in plan.lanes.values()) else ""),
        plan.python_path,
        *("-I", "-c", BOOT, packages),
        *("--release", str(release.path), "--work", str(work)),
    ]


def worker_env(work: Path, fds: Mapping[str, int]) -> dict[str, str]:
    """A worker's whole environment: nothing of the keeper's own, and the descriptors that it inherits.

    Thread pools of numerical libraries start with one thread, because lanes do the work that should be parallel.
    """
    return {
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME": str(work),
        "LANG": "C.UTF-8",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUNBUFFERED": "1",
        **{variable: str(fd) for variable, fd in fds.items()},
        **_ALLOCATOR,
        **dict.fromkeys(_THREAD_POOLS, "1"),
    }
