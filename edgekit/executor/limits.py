"""Programs that may use so much and no more: for work on files that somebody else has written.

`limited` puts a few lines of Python in front of a command, which set the kernel's limits and then become that command:
so they hold for all that it starts, and whatever sandbox stands before or behind it.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from edgekit.errors import EdgekitError
from edgekit.executor import Executor
from edgekit.schema.units import format_bytes

_BECOME = """
import ctypes, os, resource, sys
ctypes.CDLL(None).prctl(1, 9)
most = [int(word) for word in sys.argv[1:4]] + [0]
kinds = (resource.RLIMIT_AS, resource.RLIMIT_CPU, resource.RLIMIT_FSIZE, resource.RLIMIT_CORE)
for kind, limit in zip(kinds, most):
    hard = resource.getrlimit(kind)[1]
    soft, hard = (one if hard == resource.RLIM_INFINITY else min(one, hard) for one in (limit, limit + 1))
    resource.setrlimit(kind, (soft, hard))
try:
    with open("/proc/self/oom_score_adj", "w") as file:
        file.write("1000")
except OSError:
    pass
try:
    os.execvp(sys.argv[4], sys.argv[4:])
except OSError as error:
    sys.exit(f"{sys.argv[4]} does not start: {error.strerror}")
"""
"""PR_SET_PDEATHSIG, 9: it ends with the thread that started it. RLIMIT_CPU's soft limit sends SIGXCPU, a second later
the hard one SIGKILL.
Source: Linux, prctl(2), getrlimit(2), proc_pid_oom_score_adj(5)."""
_CRASHES = frozenset({signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS})
"""How programs may end that get no memory: C++ aborts, a stack that cannot grow is a segmentation fault."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunLimits:
    """What one program and each of its children may use."""

    memory_bytes: int
    """Of address space. Where the machine itself runs out of memory, the program is the first to be ended."""
    cpu_s: int
    """Of processor time, which another program's load does not shorten."""
    wall_s: float
    """Of time: what sleeps, or waits for a disk, ends then."""
    file_bytes: int
    """Of each file that it writes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitedRun:
    """How a limited program ended."""

    returncode: int
    """Negative: ended by that signal."""
    stdout: bytes
    stderr: bytes
    """Both bounded by the executor."""
    over: str
    """The limit that ended it, to stand behind its name: `takes more than 60 s of processor time`; else empty."""


def limited(argv: Sequence[str], limits: RunLimits) -> tuple[str, ...]:
    """A command that runs another one within limits on this machine; `wall_s` is for who runs it."""
    most = (limits.memory_bytes, limits.cpu_s, limits.file_bytes)
    return (sys.executable, "-I", "-S", "-c", _BECOME, *map(str, most), *argv)


def run_limited(
    executor: Executor,
    argv: Sequence[str],
    limits: RunLimits,
    *,
    env: Mapping[str, str] | None = None,
    cwd: str | None = None,
) -> LimitedRun:
    """Run a program within limits to its end, whatever that is: a result, never an error.

    Args:
        executor: this machine.
        argv: see `Executor.run`.
        limits: what it may use.
        env: variables added to the environment.
        cwd: folder to run in.
    """
    try:
        done = executor.run(limited(argv, limits), timeout_s=limits.wall_s, env=env, cwd=cwd)
    except EdgekitError as error:
        over = f"takes longer than {limits.wall_s:g} s"
        return LimitedRun(returncode=-signal.SIGKILL, stdout=b"", stderr=error.details.encode(), over=over)
    over = _over(done.returncode, limits)
    return LimitedRun(returncode=done.returncode, stdout=done.stdout, stderr=done.stderr, over=over)


def memory_over(limits: RunLimits) -> str:
    """How a program is called that needs more memory than it may use."""
    return f"takes more than {format_bytes(limits.memory_bytes)} of memory"


def _over(returncode: int, limits: RunLimits) -> str:
    if returncode == -signal.SIGXCPU:
        return f"takes more than {limits.cpu_s} s of processor time"
    if -returncode in _CRASHES:
        return f"crashes ({signal.strsignal(-returncode)}), as what {memory_over(limits)} does"
    return memory_over(limits) if returncode == -signal.SIGKILL else ""
