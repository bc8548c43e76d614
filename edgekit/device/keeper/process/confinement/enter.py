"""What runs between the keeper and a worker's first line: joins the leaf, gives up all that a worker needs not, and
becomes the worker.

    python3 -I -S -c "this file, and main()" ENTRY PROGRAM...

`ENTRY` is `confined.WorkerEntry` as JSON. Self-contained, standard library alone, Python 3.10 and newer: its text
travels in the argument. A step that this kernel or this user cannot take is told on the note's descriptor, and the
worker runs without; what every Linux can do for every user (no new privileges, no capabilities, the user) ends it where
it fails.

Source: Linux: namespaces(7), mount_setattr(2), seccomp(2), capabilities(7), cgroup-v2.
"""

from __future__ import annotations

import base64
import errno
import json
import os
import resource
import stat
import struct
import sys
from typing import Any

READ_ONLY, NO_SETUID, NO_DEVICES, REMOUNT, BIND, RECURSIVE, SLAVE = 0x1, 0x2, 0x4, 0x20, 0x1000, 0x4000, 0x80000
KEPT_FLAGS = {"nosuid": 0x2, "nodev": 0x4, "noexec": 0x8, "noatime": 0x400, "nodiratime": 0x800, "relatime": 0x200000}
NEW_MOUNTS, NEW_IPC, NEW_NETWORK = 0x20000, 0x8000000, 0x40000000
SET_MOUNT, HERE, WHOLE_TREE = 442, -100, 0x8000
NO_NEW_PRIVILEGES, DROP_FROM_BOUNDS, AMBIENT, AMBIENT_CLEAR, SET_FILTER, FILTER_MODE = 38, 24, 47, 4, 22, 2
CAPABILITIES_V3 = 0x20080522
KERNELS_OWN = ("/proc/sys", "/proc/sysrq-trigger", "/proc/irq", "/proc/bus", "/proc/fs", "/proc/acpi")
"""Root may write there without any capability."""
SCRATCH = {"tmp": ("/tmp", "/var/tmp"), "shm": ("/dev/shm",)}  # noqa: S108  places that this process alone sees there
COVERED = tuple(f"{path}/" for targets in SCRATCH.values() for path in targets)

try:
    import ctypes
except ImportError:  # some boards' Python is not whole
    libc: Any = None
else:
    libc = ctypes.CDLL(None, use_errno=True)


def main() -> None:
    """Do it all, and become the worker."""
    entry = json.loads(sys.argv[1])
    if entry["leaf"]:
        with open(entry["leaf"] + "/cgroup.procs", "w") as file:
            file.write("0")
    with open("/proc/self/oom_score_adj", "w") as file:
        file.write(str(entry["oom_score"]))
    os.umask(0o022)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if entry["largest_file_bytes"]:
        resource.setrlimit(resource.RLIMIT_FSIZE, (entry["largest_file_bytes"],) * 2)
    if entry["realtime_us"]:
        allow_realtime(entry["realtime_us"])
    if libc is None:
        own_user(entry)
        lacks = ["all but its user and limits: this Python has no ctypes"]
    else:
        lacks = [own_world(entry)]
        drop_bounds()
        own_user(entry)
        give_up_privileges()
        lacks.append(refuse_calls(entry))
    os.umask(0o027)
    os.write(entry["note_fd"], json.dumps([lack for lack in lacks if lack]).encode())
    os.close(entry["note_fd"])
    become(sys.argv[2:])


def allow_realtime(longest_us: int) -> None:
    """Where the keeper may not give that right, the worker's lanes find out, and say so."""
    try:
        resource.setrlimit(resource.RLIMIT_RTTIME, (longest_us, longest_us))
        resource.setrlimit(resource.RLIMIT_RTPRIO, (1, 1))
    except (ValueError, OSError):
        return


def own_world(entry: dict[str, Any]) -> str:
    """A view of the files of its own; back in the old one where that fails half-way."""
    world = entry["world"]
    if not world:
        return ""
    before = os.open("/proc/self/ns/mnt", os.O_RDONLY)
    try:
        checked(libc.unshare(NEW_MOUNTS | NEW_IPC | (0 if entry["network"] else NEW_NETWORK)), "unshare")
        make_world(world)
        os.chdir(world["work"])
    except OSError as error:
        if error.filename != "unshare":
            checked(libc.setns(before, NEW_MOUNTS), "setns")
            os.chdir(world["work"])
        return f"files, /tmp and /dev/shm of its own: {error.strerror} ({error.filename})"
    finally:
        os.close(before)
    return ""


def make_world(world: dict[str, Any]) -> None:
    """All is for reading, /tmp and /dev/shm are new, and of the keeper's folders nothing is left but the release and
    the worker's own."""
    kept = [(path, mode, os.open(path, os.O_PATH)) for path, mode in find_kept(world)]
    mount("none", "/", "", RECURSIVE | SLAVE)
    make_read_only()
    remount("/proc", 0)
    for path in KERNELS_OWN:
        if os.path.exists(path):
            mount(path, path, "", BIND)
            remount(path, READ_ONLY)
    make_scratch(world["hidden"][0], world["scratch_bytes"])
    hidden = [path for path in world["hidden"] if path.startswith(COVERED) or os.path.isdir(path)]
    for path in hidden:
        os.makedirs(path, exist_ok=True)
        memory(path, "size=64k,nr_inodes=256,mode=755")
    for path, mode, fd in kept:
        show(path, fd, mode)
    for path in hidden:
        remount(path, READ_ONLY | NO_SETUID | NO_DEVICES)


def make_scratch(room: str, size_bytes: int) -> None:
    """New, empty /tmp and /dev/shm, which share a size. They are found by descriptor, as one may cover the room."""
    memory(room, f"size={size_bytes},nr_inodes=65536")
    made = []
    for name, targets in SCRATCH.items():
        os.mkdir(f"{room}/{name}")
        os.chmod(f"{room}/{name}", 0o1777)  # noqa: S103  as every /tmp
        made.append((os.open(f"{room}/{name}", os.O_PATH), targets))
    for fd, targets in made:
        for target in targets:
            if os.path.isdir(target):
                mount(f"/proc/self/fd/{fd}", target, "", BIND)
        os.close(fd)


def find_kept(world: dict[str, Any]) -> list[tuple[str, str]]:
    """What must still be there: the release, the worker's folder, its Python, and sockets of the system's services."""
    kept = [(world["release"], "read"), (world["work"], "write")]
    kept += [(path, "read") for path in world["programs"] if path.startswith(COVERED)]
    for path in world["sockets"]:
        try:
            if stat.S_ISSOCK(os.stat(path).st_mode):
                kept.append((path, "socket"))
        except OSError:
            continue
    return kept


def show(path: str, fd: int, mode: str) -> None:
    """Put back what a new mount covers, from a descriptor that was opened before."""
    if mode == "socket":
        with open(path, "w"):
            pass
    else:
        os.makedirs(path, exist_ok=True)
    mount(f"/proc/self/fd/{fd}", path, "", BIND)
    os.close(fd)
    if mode != "socket":
        remount(path, NO_SETUID | NO_DEVICES | (READ_ONLY if mode == "read" else 0))


def make_read_only() -> None:
    """Every mount there is. Before Linux 5.12 one after the other, each with the flags that it has."""
    attributes = struct.pack("QQQQ", READ_ONLY, 0, 0, 0)
    if libc.syscall(SET_MOUNT, HERE, b"/", WHOLE_TREE, attributes, len(attributes)) == 0:
        return
    if ctypes.get_errno() not in (errno.ENOSYS, errno.EPERM):
        raise failed("/")
    with open("/proc/self/mountinfo") as file:
        lines = [line.split() for line in file]
    for words in lines:
        path = words[4].encode().decode("unicode_escape")  # blanks stand there as \040
        flags = sum(KEPT_FLAGS.get(word, 0) for word in words[5].split(","))
        try:
            remount(path, READ_ONLY | flags)
        except OSError as error:
            if error.errno not in (errno.ENOENT, errno.EINVAL, errno.EACCES):  # covered by another one: out of reach
                raise


def own_user(entry: dict[str, Any]) -> None:
    """Become the application's user; what another user's worker left in its folder becomes its own first."""
    owner = entry["owner"]
    if not owner:
        return
    uid, gid, *groups = owner
    if entry["adopt"]:
        adopt(entry["adopt"], uid, gid)
    os.setgroups(groups)
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)


def adopt(folder: str, uid: int, gid: int) -> None:
    """Give a folder with all that is its owner's to another user; the folder itself last: a cut is made good then."""
    before = os.lstat(folder).st_uid
    for _, names, files, fd in os.fwalk(folder, topdown=False):
        for name in (*names, *files):
            if os.lstat(name, dir_fd=fd).st_uid == before:
                os.chown(name, uid, gid, dir_fd=fd, follow_symlinks=False)
    os.chown(folder, uid, gid)


def drop_bounds() -> None:
    """No capability can come back, also not to root; only who has one may see to that."""
    capability = 0
    while libc.prctl(DROP_FROM_BOUNDS, capability, 0, 0, 0) == 0:
        capability += 1


def give_up_privileges() -> None:
    """No capability is left, and none comes back by becoming another program."""
    checked(libc.prctl(NO_NEW_PRIVILEGES, 1, 0, 0, 0), "prctl")
    libc.prctl(AMBIENT, AMBIENT_CLEAR, 0, 0, 0)
    checked(libc.capset(struct.pack("Ii", CAPABILITIES_V3, 0), bytes(24)), "capset")


def refuse_calls(entry: dict[str, Any]) -> str:
    """Have the kernel refuse what no worker needs."""
    program = base64.b64decode(entry["refused_calls"])
    if not program:
        return "system calls taken away: not known for this processor"
    text = ctypes.create_string_buffer(program, len(program))
    header = struct.pack("HxxxxxxQ" if struct.calcsize("P") == 8 else "HxxI", len(program) // 8, ctypes.addressof(text))
    if libc.prctl(SET_FILTER, FILTER_MODE, header, 0, 0):
        return f"system calls taken away: {failed('').strerror}"
    return ""


def become(argv: list[str]) -> None:
    """Become the worker."""
    try:
        os.execv(argv[0], argv)  # noqa: S606
    except OSError as error:
        sys.exit(f"{argv[0]}: {error.strerror}")


def memory(path: str, options: str) -> None:
    """A new, empty file system in memory."""
    mount("none", path, "tmpfs", NO_SETUID | NO_DEVICES, options)


def remount(path: str, flags: int) -> None:
    """Change the flags of a mount."""
    mount("none", path, "", REMOUNT | BIND | flags)


def mount(source: str, target: str, kind: str, flags: int, options: str = "") -> None:
    """See mount(2)."""
    data = options.encode() or None
    done = libc.mount(source.encode(), target.encode(), kind.encode() or None, ctypes.c_ulong(flags), data)
    checked(done, f"mount {target}")


def checked(result: int, what: str) -> None:
    """Raise OSError where a system call failed."""
    if result:
        raise failed(what)


def failed(what: str) -> OSError:
    """The error of the last system call."""
    number = ctypes.get_errno()
    return OSError(number, os.strerror(number), what)
