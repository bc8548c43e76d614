"""Moves into namespaces of its own, and becomes a command there. Runs alone, with the standard library.

    python -I -S inside.py PLAN COMMAND...

PLAN is a `box.RootPlan` as JSON. Three processes: this one waits; the second is process 1 of the new process list,
makes the file system and buries the dead; the third is the command. When the command ends the second does, and with it
the kernel ends all that the command left behind. Exit code: the command's, 128 + N where signal N ended it.

Source: Linux, user_namespaces(7), pid_namespaces(7), pivot_root(2), mount_setattr(2), capabilities(7), netdevice(7).
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import json
import os
import signal
import socket
import struct
import sys
from pathlib import Path
from typing import Any

NEW_MOUNTS, NEW_UTS, NEW_IPC, NEW_USER, NEW_PROCESSES, NEW_NETWORK = (
    *(0x00020000, 0x04000000, 0x08000000, 0x10000000, 0x20000000, 0x40000000),
)
"""CLONE_NEWNS, _NEWUTS, _NEWIPC, _NEWUSER, _NEWPID, _NEWNET."""
NO_SETUID, NO_DEVICES, NO_PROGRAMS, BIND, RECURSIVE, PRIVATE = 0x2, 0x4, 0x8, 0x1000, 0x4000, 0x40000
"""MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_BIND, MS_REC, MS_PRIVATE."""
DETACH = 2
SET_MOUNT, PIVOT_ROOT = 442, {"x86_64": 155}.get(os.uname().machine, 41)
"""Numbers of system calls: mount_setattr is 442 everywhere; pivot_root 41 where numbers are the generic ones."""
WHOLE_TREE, HERE = 0x8000, -100
"""AT_RECURSIVE, AT_FDCWD."""
READ_ONLY = 0x1
"""MOUNT_ATTR_RDONLY; nosuid and nodev have the numbers of mount(2)."""
DIE_WITH_PARENT, DROP_FROM_BOUNDS, NO_NEW_PRIVILEGES, AMBIENT, AMBIENT_CLEAR = 1, 24, 38, 47, 4
CAPABILITIES_V3 = 0x20080522
GET_FLAGS, SET_FLAGS, UP = 0x8913, 0x8914, 0x1
"""SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP."""
DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
OLD, NEW = "/old", "/new"
ANY_FOLDER = "/tmp"  # noqa: S108  a place for the new root, which this process alone sees there
SHARED_MEMORY = "/dev/shm"  # noqa: S108  a place inside

libc = ctypes.CDLL(None, use_errno=True)


def main(plan: dict[str, Any], argv: list[str]) -> int:
    """Make the sandbox; give the command's exit code."""
    leave(plan["network"])
    return wait_for(fork_with(lambda: first_process(plan, argv)))


def leave(network: bool) -> None:
    """Leave this machine's namespaces; root may do without a user namespace where they are forbidden."""
    uid, gid = os.geteuid(), os.getegid()
    apart = NEW_MOUNTS | NEW_UTS | NEW_IPC | NEW_PROCESSES | (0 if network else NEW_NETWORK)
    if libc.unshare(apart | NEW_USER) == 0:
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"{uid} {uid} 1")
        Path("/proc/self/gid_map").write_text(f"{gid} {gid} 1")
    elif uid or libc.unshare(apart):
        raise failed("unshare")
    socket.sethostname("edgekit")
    if not network:
        bring_up_loopback()


def bring_up_loopback() -> None:
    """A new network has its own loopback, switched off."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as end:
        request = struct.pack("16sH14x", b"lo", 0)
        (flags,) = struct.unpack_from("H", fcntl.ioctl(end, GET_FLAGS, request), 16)
        fcntl.ioctl(end, SET_FLAGS, struct.pack("16sH14x", b"lo", flags | UP))


def first_process(plan: dict[str, Any], argv: list[str]) -> int:
    """Process 1: make the file system, start the command, and wait for it and for what it leaves."""
    make_root(plan)
    os.chdir(plan["cwd"])
    give_up_privileges()
    return wait_for(fork_with(lambda: become(argv)))


def make_root(plan: dict[str, Any]) -> None:
    """Build the new root in memory beside the old one, then leave the old one."""
    mount("none", "/", "", RECURSIVE | PRIVATE)
    mount("none", ANY_FOLDER, "tmpfs", NO_SETUID | NO_DEVICES)
    os.chdir(ANY_FOLDER)
    for name in (OLD, NEW):
        Path(name.lstrip("/")).mkdir()
    pivot(".", OLD.lstrip("/"))
    mount("none", NEW, "tmpfs", NO_SETUID | NO_DEVICES)
    for path, text in plan["links"]:
        place = Path(NEW + path)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.symlink_to(text)
    Path(NEW, "proc").mkdir()
    mount("proc", f"{NEW}/proc", "proc", NO_SETUID | NO_DEVICES | NO_PROGRAMS)
    make_devices()
    for path in plan["empty"]:
        Path(NEW + path).mkdir(parents=True)
        mount("none", NEW + path, "tmpfs", NO_SETUID | NO_DEVICES)
    set_mount(f"{NEW}/proc", READ_ONLY, 0)  # /proc/sys is root's to write in any user namespace
    for one in plan["mounts"]:
        bind(one["source"], one["target"], NO_SETUID | NO_DEVICES | (0 if one["writable"] else READ_ONLY))
    set_mount(NEW, READ_ONLY, 0)
    os.chdir(NEW)
    pivot(".", ".")  # the old root lies on top of the new one then, and is taken off
    checked(libc.umount2(b".", DETACH), "umount2")
    os.chdir("/")


def make_devices() -> None:
    """/dev: what every program may use, and shared memory of its own."""
    Path(NEW + SHARED_MEMORY).mkdir(parents=True)
    for name in DEVICES:
        bind(f"/dev/{name}", f"/dev/{name}", NO_SETUID)
    for name, text in {"fd": "", "stdin": "/0", "stdout": "/1", "stderr": "/2"}.items():
        Path(NEW, "dev", name).symlink_to(f"/proc/self/fd{text}")
    mount("none", NEW + SHARED_MEMORY, "tmpfs", NO_SETUID | NO_DEVICES)


def bind(source: str, target: str, attributes: int) -> None:
    """Show a file or folder of the old root in the new one."""
    place = Path(NEW + target)
    place.parent.mkdir(parents=True, exist_ok=True)
    if Path(OLD + source).is_dir():
        place.mkdir(exist_ok=True)
    else:
        place.touch()
    mount(OLD + source, str(place), "", BIND | RECURSIVE)
    set_mount(str(place), attributes, WHOLE_TREE)


def set_mount(place: str, attributes: int, how: int) -> None:
    """Add attributes to a mount; with WHOLE_TREE to those below it too."""
    wanted = struct.pack("QQQQ", attributes, 0, 0, 0)
    checked(libc.syscall(SET_MOUNT, HERE, place.encode(), how, wanted, len(wanted)), f"mount_setattr {place}")


def mount(source: str, target: str, kind: str, flags: int) -> None:
    """See mount(2)."""
    done = libc.mount(source.encode(), target.encode(), kind.encode() or None, ctypes.c_ulong(flags), None)
    checked(done, f"mount {target}")


def pivot(new: str, old: str) -> None:
    """See pivot_root(2)."""
    checked(libc.syscall(PIVOT_ROOT, new.encode(), old.encode()), "pivot_root")


def give_up_privileges() -> None:
    """No capability is left, and none comes back by becoming another program."""
    checked(libc.prctl(NO_NEW_PRIVILEGES, 1, 0, 0, 0), "prctl")
    libc.prctl(AMBIENT, AMBIENT_CLEAR, 0, 0, 0)
    capability = 0
    while libc.prctl(DROP_FROM_BOUNDS, capability, 0, 0, 0) == 0:
        capability += 1
    header, none = struct.pack("Ii", CAPABILITIES_V3, 0), bytes(24)
    checked(libc.capset(header, none), "capset")


def fork_with(work: Any) -> int:
    """A child that does some work and ends with the number that comes out, when its parent ends at the latest."""
    child = os.fork()
    if child:
        return child
    code = 125
    try:
        libc.prctl(DIE_WITH_PARENT, signal.SIGKILL, 0, 0, 0)
        code = work()
    except OSError as error:
        print(f"sandbox: {error}", file=sys.stderr, flush=True)
    finally:
        os._exit(code)


def become(argv: list[str]) -> int:
    """Become the command."""
    try:
        os.execvp(argv[0], argv)  # noqa: S606
    except OSError as error:
        print(f"sandbox: {argv[0]}: {error.strerror}", file=sys.stderr, flush=True)
        return 127 if error.errno == errno.ENOENT else 126


def wait_for(child: int) -> int:
    """Wait for a child, and for all that is left to this process meanwhile; give the child's exit code."""
    while True:
        ended, status = os.wait()
        if ended == child:
            code = os.waitstatus_to_exitcode(status)
            return code if code >= 0 else 128 - code


def checked(result: int, what: str) -> None:
    """Raise OSError where a system call failed."""
    if result:
        raise failed(what)


def failed(what: str) -> OSError:
    """The error of the last system call."""
    number = ctypes.get_errno()
    return OSError(number, os.strerror(number), what)


if __name__ == "__main__":
    try:
        sys.exit(main(json.loads(sys.argv[1]), sys.argv[2:]))
    except OSError as error:
        sys.exit(f"sandbox: {error}")
