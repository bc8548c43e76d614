"""A worker that attacks the board it runs on, and writes down what came of each attack: `attacks.json` in its folder.

Runs on any board's Python, as a release's `edgekit.device.runtime`, with the standard library alone. It is healthy
meanwhile. Each attack gives None where it was refused, or says what it got.

Its release holds `hostile.json`: `prefix`, `forks` (how many children it may have at most; 0: it tries none), `wait_s`.
"""

import ctypes
import errno
import glob
import json
import os
import select
import signal
import socket
import stat
import sys

libc = ctypes.CDLL(None, use_errno=True)
NUMBERS = {  # add_key, keyctl, bpf, perf_event_open, io_uring_setup, userfaultfd, process_vm_readv, clone3
    "x86_64": (248, 250, 321, 298, 425, 323, 310, 435),
    "aarch64": (217, 219, 280, 241, 425, 282, 270, 435),
}
KEYS, KEYCTL, BPF, PERF, RING, FAULTS, READ_MEMORY, CLONE3 = NUMBERS.get(os.uname().machine, (0,) * 8)


def call(done):
    return None if done < 0 else "it was let"


def opened(paths, flags=os.O_RDONLY):
    """Those of some files that can be opened, and read where that is asked for."""
    found = []
    for path in paths:
        try:
            fd = os.open(path, flags | os.O_NONBLOCK)
            if flags == os.O_RDONLY and not stat.S_ISDIR(os.fstat(fd).st_mode):
                os.read(fd, 1)
            os.close(fd)
            found.append(path)
        except OSError:
            continue
    return found or None


def tried(attack):
    try:
        return attack()
    except OSError:
        return None


def below(folder, but=()):
    """All files below a folder that can be seen, but for those in some folders."""
    for path, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if os.path.join(path, name) not in but]
        yield from (os.path.join(path, name) for name in files)


def written(folders):
    """Those of some folders in which a file can be made; it stays, for whoever looks from outside."""
    return opened([os.path.join(folder, "edgekit-hostile") for folder in folders], os.O_WRONLY | os.O_CREAT)


def filled(folder):
    """How much fits into a folder in memory; the file stays."""
    size = 0
    with open(os.path.join(folder, "edgekit-hostile-fill"), "wb", buffering=0) as file:
        while size < 1 << 30:
            try:
                size += file.write(bytes(1 << 20))
            except OSError as error:
                return size if error.errno == errno.ENOSPC else 1 << 40
    return size


def forks(most):
    """How many children are there before the next one is refused."""
    children = []
    try:
        while len(children) < most:
            pid = os.fork()
            if pid == 0:
                signal.pause()
            children.append(pid)
    except OSError:
        pass
    for pid in children:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    return len(children)


def raw(family, kind):
    socket.socket(family, kind, 1 if family == socket.AF_INET else 0).close()
    return "it was made"


def status(*names):
    with open("/proc/self/status") as file:
        fields = dict(line.split(":\t", 1) for line in file)
    return {name: fields[name].strip() for name in names}


def attacks(release, work, told):
    prefix, keeper = told["prefix"].rstrip("/"), os.getppid()
    state, etc, run = f"{prefix}/var/lib/edgekit", f"{prefix}/etc/edgekit", f"{prefix}/run/edgekit"
    disks = [path for path in glob.glob("/dev/*") if stat.S_ISBLK(os.lstat(path).st_mode)]
    folders = ["/", "/etc", "/usr", "/usr/lib", "/var", "/var/lib", "/var/cache", "/var/log", "/run", "/run/lock"]
    folders += ["/opt", "/home", "/root", "/dev", "/sys/fs/cgroup", etc, state, run, os.path.dirname(work)]
    knobs = ["/proc/sys/kernel/core_pattern", "/proc/sysrq-trigger"]
    groups = glob.glob("/sys/fs/cgroup/**/cgroup.procs", recursive=True)[:200]
    return {
        "settings and secrets of others": lambda: opened(below(etc)),
        "state and folders of others, other releases, the store": lambda: opened(below(state, (release, work))),
        "the keeper's socket": lambda: socket.socket(socket.AF_UNIX).connect(f"{run}/control.sock") or "it answers",
        "files outside of its folder": lambda: written(folders),
        "its own release": lambda: opened([f"{release}/plan.json"], os.O_WRONLY),
        "the kernel's settings": lambda: opened(knobs, os.O_WRONLY),
        "settings of other processes": lambda: opened(["/proc/1/oom_score_adj", f"/proc/{keeper}/comm"], os.O_WRONLY),
        "another cgroup, or its own limits": lambda: opened(groups, os.O_WRONLY),
        "memory and log of the kernel": lambda: opened(["/dev/mem", "/dev/kmem", "/dev/port", "/dev/kmsg"]),
        "disks": lambda: opened(disks),
        "other devices": lambda: opened(["/dev/fuse", "/dev/loop-control", "/dev/uinput", "/dev/ptmx", "/dev/kvm"]),
        "nodes of its own": lambda: os.mknod(f"{work}/node", 0o20600, os.makedev(1, 1)) or "it was made",
        "the keeper's memory": lambda: opened([f"/proc/{keeper}/mem", f"/proc/{keeper}/environ"]),
        "ptrace": lambda: call(libc.ptrace(16, keeper, 0, 0)),
        "process_vm_readv": lambda: call(libc.syscall(READ_MEMORY, keeper, 0, 0, 0, 0, 0)),
        "signals to others": lambda: os.kill(keeper, 0) or "it would arrive",
        "mount": lambda: call(libc.mount(b"none", work.encode(), b"tmpfs", 0, None)),
        "namespaces": lambda: call(libc.unshare(0x10000000)),
        "namespaces by clone3": lambda: call(libc.syscall(CLONE3, 0, 0)),
        "chroot": lambda: call(libc.chroot(work.encode())),
        "becoming root": lambda: None if os.geteuid() == 0 else os.setuid(0) or "it was let",
        "the kernel's keys": lambda: call(libc.syscall(KEYS, b"user", b"edgekit", b"x", 1, -4)),
        "keyctl": lambda: call(libc.syscall(KEYCTL, 0, -4, 0)),
        "bpf": lambda: call(libc.syscall(BPF, 0, bytes(64), 64)),
        "perf_event_open": lambda: call(libc.syscall(PERF, bytes(112), 0, -1, -1, 0)),
        "io_uring": lambda: call(libc.syscall(RING, 1, bytes(120))),
        "userfaultfd": lambda: call(libc.syscall(FAULTS, 1)),
        "raw sockets": lambda: raw(socket.AF_INET, socket.SOCK_RAW),
        "packet sockets": lambda: raw(socket.AF_PACKET, socket.SOCK_RAW),
        "the kernel's ciphers": lambda: raw(socket.AF_ALG, socket.SOCK_SEQPACKET),
        "the host's name": lambda: call(libc.sethostname(b"hostile", 7)),
        "the clock": lambda: call(libc.settimeofday(bytes(16), None)),
        "reboot": lambda: call(libc.reboot(0)),
        "the order of out of memory": lambda: opened_with("/proc/self/oom_score_adj", "-900"),
        "capabilities": lambda: {n: v for n, v in status("CapEff", "CapPrm", "CapBnd", "CapInh").items() if int(v, 16)},
        "new privileges": lambda: None if status("NoNewPrivs")["NoNewPrivs"] == "1" else "setuid programs work",
    }


def opened_with(path, text):
    with open(path, "w") as file:
        file.write(text)
    return "it was taken"


def main(release, work):
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    line = socket.socket(fileno=int(os.environ["EDGEKIT_REPORT_FD"]))
    with open(f"{release}/hostile.json") as file:
        told = json.load(file)
    report = json.dumps({"phase": "running", "fps": 10.0, "frames": 1, "golden": "passed"}).encode() + b"\n"
    line.sendall(report)
    found = {name: tried(attack) for name, attack in attacks(release, work, told).items()}
    found = {name: got for name, got in found.items() if got}
    line.sendall(report)
    result = {
        "got through": found,
        "forks": forks(told["forks"]),
        "scratch": [filled("/tmp"), filled("/dev/shm")],
        "ids": [os.geteuid(), os.getegid(), *os.getgroups()],
        "cwd": os.getcwd(),
    }
    line.sendall(report)
    with open(f"{work}/attacks.json.new", "w") as file:
        json.dump(result, file)
    os.rename(f"{work}/attacks.json.new", f"{work}/attacks.json")
    while not select.select([line], [], [], 0.05)[0]:
        line.sendall(report)


if __name__ == "__main__":
    main(sys.argv[sys.argv.index("--release") + 1], sys.argv[sys.argv.index("--work") + 1])
