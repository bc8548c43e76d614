"""A release's stages, tried on a machine that is not its device.

    python -m edgekit.device.runtime.rehearsal.rehearse FOLDER

FOLDER holds a `RehearsalRequest`. The reply is written beside it, so that nothing that the recipe's code prints, and
no way in which it ends this process, can be mistaken for one. See `edgekit.schema.rehearsal`.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import signal
import sys
from pathlib import Path

from edgekit.device.runtime.rehearsal.watch import Watch
from edgekit.errors import EdgekitError
from edgekit.schema.message import from_message, to_message
from edgekit.schema.rehearsal import NOW, OUTPUT, REPLY, REQUEST, RehearsalFailure, RehearsalReply, RehearsalRequest

_MAX_FILE_BYTES = 64 << 20
_NEW_USER, _NEW_NETWORK = 0x10000000, 0x40000000
"""CLONE_NEWUSER, CLONE_NEWNET. Source: Linux, include/uapi/linux/sched.h."""
_ENVIRONMENT = {
    "PATH": "/usr/local/bin:/usr/bin:/bin",
    "LANG": "C.UTF-8",
    **dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS"), "1"),
}
"""As a worker's on a device (`device/launch.py`): nothing of the user's own."""


def rehearse(folder: Path) -> RehearsalReply:
    """Carry out the request in a folder; what would fail on the device too is in the reply."""
    request = from_message(RehearsalRequest, (folder / REQUEST).read_bytes(), REQUEST)
    release = Path(request.release)
    app = [str(release / request.plan.app)] if request.plan.app else []
    sys.path[:0] = [*([request.packages] if request.packages else []), *app]
    if request.site:
        sys.path.append(request.site)
    watch = Watch(
        note=folder / NOW,
        step_s=request.step_s,
        release=release,
        site=Path(request.site) if request.site else None,
        native=request.native,
    )
    _bound(request.memory_bytes)
    try:
        # After the path is set: the release's own numpy and OpenCV come first where they can be loaded here.
        from edgekit.device.runtime.rehearsal.rehearsal import RehearsalRun  # noqa: PLC0415

        return RehearsalRun(request, watch).run()
    except EdgekitError as error:
        failure = RehearsalFailure(message=error.message, hint=error.hint, details=error.details)
        return RehearsalReply(failure=failure)


def _bound(memory_bytes: int) -> None:
    for kind, limit in (
        (resource.RLIMIT_DATA, memory_bytes),
        (resource.RLIMIT_FSIZE, _MAX_FILE_BYTES),
        (resource.RLIMIT_CORE, 0),
    ):
        hard = resource.getrlimit(kind)[1]
        most = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
        resource.setrlimit(kind, (most, most))


def _stand_alone(folder: Path) -> None:
    """Nothing of the caller's: not its output, its environment, its folder, or its network."""
    leave_network()
    output = os.open(folder / OUTPUT, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for fd in (1, 2):
        os.dup2(output, fd)
    os.close(output)
    work = folder / "work"
    work.mkdir()
    os.environ.clear()
    os.environ.update(_ENVIRONMENT, HOME=str(work))
    os.chdir(work)


def leave_network() -> bool:
    """Go where no valve, broker or database can be reached, if the kernel lets a plain user. Source: unshare(2).

    Only a system that forbids it goes on with its network; then what a stage connects to while it is made is reached.

    Returns:
        Whether it has been left.
    """
    owner = (os.geteuid(), os.getegid())
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_NEW_NETWORK) == 0:
        return True
    if libc.unshare(_NEW_USER | _NEW_NETWORK) != 0:
        return False
    maps = {"setgroups": "deny", "uid_map": f"{owner[0]} {owner[0]} 1", "gid_map": f"{owner[1]} {owner[1]} 1"}
    for name, text in maps.items():
        with contextlib.suppress(OSError):
            Path("/proc/self", name).write_text(text)
    return True


def main() -> None:
    """Rehearse, leave the reply, and end with everything that the recipe's code has started."""
    folder = Path(sys.argv[1]).resolve()
    _stand_alone(folder)
    reply = folder / (REPLY + ".aside")
    reply.write_bytes(to_message(rehearse(folder)))
    reply.rename(folder / REPLY)
    if os.getpgrp() == os.getpid():
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        os.killpg(0, signal.SIGTERM)
    os._exit(0)  # a thread of the recipe's code must not keep the process


if __name__ == "__main__":
    main()
