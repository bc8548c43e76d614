"""How a worker's process comes to be: argument vector and environment.

The keeper never forks its own, threaded self to run Python: it starts a small interpreter that joins the worker's
cgroup leaf, gives up what the worker needs not (`confinement.enter`), and becomes the worker's interpreter.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from edgekit.device.keeper.process.confinement.confined import WorkerEntry, entry_argv
from edgekit.device.keeper.process.post import Post
from edgekit.device.keeper.update.releases import Release
from edgekit.schema.board import WORKER_USER

BOOT = (
    "import runpy, sys; sys.path[:0] = sys.argv.pop(1).split(':');"
    " runpy.run_module('edgekit.device.runtime', run_name='__main__', alter_sys=True)"
)
"""`python -I -c BOOT SITE[:APP] [--golden] --release DIR --work DIR`: a release's packages come before the system's."""

_ALLOCATOR = {"MALLOC_MMAP_THRESHOLD_": "65536"}
"""glibc gives a picture's memory back when it is freed, and does not raise this threshold by itself: else pictures come
to lie in heaps, which stay large once eight cameras came back together. Source: mallopt(3)."""
_THREAD_POOLS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")


def worker_argv(release: Release, post: Post, entry: WorkerEntry) -> list[str]:
    """The command that starts a release's worker.

    Args:
        release: what to run.
        post: where, and what for.
        entry: what it is confined to first.
    """
    plan = release.plan
    packages = ":".join(str(release.path / folder) for folder in (plan.site, plan.app) if folder)
    words = ["-I", "-c", BOOT, packages, *(["--golden"] if post.golden_only else [])]
    return entry_argv(entry, [plan.python_path, *words, "--release", str(release.path), "--work", str(post.work)])


def worker_env(work: Path, fds: Mapping[str, int]) -> dict[str, str]:
    """A worker's whole environment: nothing of the keeper's own, and the descriptors that it inherits.

    Thread pools of numerical libraries start with one thread, because lanes do the work that should be parallel.
    """
    return {
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME": str(work),
        "USER": WORKER_USER,
        "LOGNAME": WORKER_USER,
        "LANG": "C.UTF-8",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUNBUFFERED": "1",
        **{variable: str(fd) for variable, fd in fds.items()},
        **_ALLOCATOR,
        **dict.fromkeys(_THREAD_POOLS, "1"),
    }
