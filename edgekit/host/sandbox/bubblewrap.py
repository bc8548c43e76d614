"""The sandbox as a command line of bubblewrap. Source: bwrap(1)."""

from __future__ import annotations

from collections.abc import Sequence

from edgekit.host.sandbox.box import RootPlan

PROGRAM = "bwrap"
_ALONE = (
    *("--unshare-user-try", "--unshare-ipc", "--unshare-pid", "--unshare-uts", "--unshare-cgroup-try"),
    *("--die-with-parent", "--cap-drop", "ALL", "--hostname", "edgekit"),
)
"""Root on a machine that forbids user namespaces does without one."""


def bubblewrap_argv(program: str, plan: RootPlan, argv: Sequence[str]) -> list[str]:
    """The command that runs `argv` in a file system, network and process list of its own.

    Args:
        program: where bwrap is.
        plan: the file system.
        argv: the command inside; it gets bwrap's own environment.

    /proc is for reading: settings of the kernel in /proc/sys are root's to write in any user namespace.
    """
    words = [program, *_ALONE, *([] if plan.network else ["--unshare-net"])]
    for path, text in plan.links:
        words += ["--symlink", text, path]
    words += ["--proc", "/proc", "--remount-ro", "/proc", "--dev", "/dev"]
    for path in plan.empty:
        words += ["--tmpfs", path]
    for mount in plan.mounts:
        words += ["--bind" if mount.writable else "--ro-bind", mount.source, mount.target]
    return [*words, "--remount-ro", "/", "--chdir", plan.cwd, "--", *argv]
