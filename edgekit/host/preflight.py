"""What a job takes of this machine: looked for in its first second, named in one list, with the one command for it.

It runs before there is a virtual environment too (`python3 -m edgekit.host.preflight JOB...`, for the Makefile), so it
imports the standard library alone.
"""

from __future__ import annotations

import grp
import importlib.util
import os
import platform
import shutil
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from edgekit.errors import InputError
from edgekit.executor.local import LocalExecutor

_TIMEOUT_S = 10.0
_ADMINISTRATORS = {"sudo", "wheel", "admin"}
"""Groups whose members may usually use sudo. Source: Debian, Fedora and Ubuntu's sudoers."""
_ADMIN_PATH = ("/usr/local/sbin", "/usr/sbin", "/sbin")


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """Something that a job takes, and who has it."""

    package: str
    """As Debian and Ubuntu call it."""
    programs: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    modules: tuple[str, ...] = ()
    """Of this Python's standard library, which Debian splits."""

    def is_met(self) -> bool:
        """Whether all of it is here."""
        return (
            all(shutil.which(find_program(name)) for name in self.programs)
            and all(Path(file).is_file() for file in self.files)
            and all(importlib.util.find_spec(name) for name in self.modules)
        )


def find_program(name: str) -> str:
    """Where a program is, also one that only root has on its PATH; its bare name where it is missing."""
    return shutil.which(name) or shutil.which(name, path=os.pathsep.join([os.defpath, *_ADMIN_PATH])) or name


def python_package(interpreter: Path, minor: str, part: str) -> str:
    """Debian's package of a part (`venv`, `dev`) of a Python that it packaged."""
    stock = Path(find_program("python3")).resolve()
    return f"python3-{part}" if interpreter.resolve() == stock else f"python{minor}-{part}"


_MINOR = f"{sys.version_info.major}.{sys.version_info.minor}"
_SIGN = (Need(package="openssh-client", programs=("ssh-keygen",)),)
_FETCH = (
    Need(package="apt", programs=("apt-get",)),
    Need(package="ca-certificates", files=("/etc/ssl/certs/ca-certificates.crt",)),
    Need(package="debian-archive-keyring", files=("/usr/share/keyrings/debian-archive-keyring.gpg",)),
    Need(package="debootstrap", programs=("debootstrap",)),
)
_BOARD = (
    *_SIGN,
    *_FETCH,
    Need(package="openssh-client", programs=("ssh",)),
    Need(package="cpio", programs=("cpio",)),
    Need(package="device-tree-compiler", programs=("fdtput",)),
    Need(package="dpkg", programs=("dpkg-deb",)),
    Need(package="e2fsprogs", programs=("mke2fs", "debugfs")),
    Need(package="kmod", programs=("modprobe", "depmod")),
    Need(package="qemu-system-arm", programs=("qemu-system-aarch64",)),
    Need(package="qemu-user-static", programs=("qemu-aarch64-static",)),
    Need(package="qemu-utils", programs=("qemu-img",)),
)
_SETUP = (Need(package=python_package(Path(sys.executable), _MINOR, "venv"), modules=("venv", "ensurepip")),)
_SANDBOX = (Need(package="bubblewrap", programs=("bwrap",)),)
"""For tests, which try both ways to have a sandbox; who builds does without: see `host/sandbox`."""
_SSHD = (Need(package="openssh-server", programs=("sshd",)),)
_TYPELIBS = Path(f"/usr/lib/{platform.machine()}-linux-gnu/girepository-1.0")
_PLUGINS = Path(f"/usr/lib/{platform.machine()}-linux-gnu/gstreamer-1.0")
_CAMERAS = (
    Need(package="gir1.2-gst-rtsp-server-1.0", files=(f"{_TYPELIBS}/GstRtspServer-1.0.typelib",)),
    Need(package="python3-gi", files=("/usr/lib/python3/dist-packages/gi/__init__.py",)),
    Need(package="gir1.2-gst-plugins-base-1.0", files=(f"{_TYPELIBS}/GstVideo-1.0.typelib",)),
    Need(package="python3-gst-1.0", files=("/usr/lib/python3/dist-packages/gi/overrides/Gst.py",)),
    Need(package="gstreamer1.0-plugins-base", files=(f"{_PLUGINS}/libgstvideotestsrc.so",)),
    Need(package="gstreamer1.0-plugins-good", files=(f"{_PLUGINS}/libgstrtp.so",)),
    Need(package="gstreamer1.0-plugins-bad", files=(f"{_PLUGINS}/libgstx265.so",)),
    Need(package="gstreamer1.0-plugins-ugly", files=(f"{_PLUGINS}/libgstx264.so",)),
)
"""For tests: cameras that GStreamer's RTSP server plays."""
_BROKER = (Need(package="mosquitto", programs=("mosquitto", "mosquitto_passwd")),)
"""For tests: what MQTT sinks send to."""
_GATE_WATCH = (
    *(need for need in _CAMERAS if need.package not in ("gstreamer1.0-plugins-ugly", "gir1.2-gst-plugins-base-1.0")),
    *_BROKER,
    Need(package="mosquitto-clients", programs=("mosquitto_sub",)),
)
"""For the demo of gate-watch: RTSP cameras that show its clips, a broker, and somebody who listens."""
_PEERS = (Need(package="ffmpeg", programs=("ffmpeg",)),)
_SENDERS = (Need(package="rsync", programs=("rsync",)),)
"""For benches: what the worker, and what a deployment is compared with; scp comes with ssh."""
_COMPILER = (Need(package="gcc", programs=("cc",)), Need(package="libc6-dev", files=("/usr/include/stdio.h",)))
"""For tests: the kernels under its sanitizers, which zig has not."""
JOBS = {
    "setup": _SETUP,
    "build": _SIGN,
    "board": _BOARD,
    "gate-watch": _GATE_WATCH,
    "demo-host": (*_SETUP, *_SIGN),
    "demo-virt": (*_SETUP, *_BOARD),
    "demo-host-gate-watch": (*_SETUP, *_SIGN, *_GATE_WATCH),
    "demo-virt-gate-watch": (*_SETUP, *_BOARD, *_GATE_WATCH),
    "check": (*_SETUP, *_SIGN),
    "test": (*_SETUP, *_BOARD, *_SSHD, *_SANDBOX, *_CAMERAS, *_GATE_WATCH, *_COMPILER),
    "bench-deploy": (*_SETUP, *_BOARD, *_SSHD, *_SENDERS),
    "soak": (*_SETUP, *_CAMERAS),
    "bench-runtime": (*_SETUP, *_CAMERAS, *_GATE_WATCH, *_PEERS),
    "test-fresh": _FETCH,
}
"""What each job takes: those of the Makefile begin with setting up."""


def missing(jobs: Iterable[str], more: Iterable[Need] = ()) -> tuple[str, ...]:
    """Debian packages that jobs take and that are not here, sorted."""
    needs = [*(need for job in jobs for need in JOBS[job]), *more]
    return tuple(sorted({need.package for need in needs if not need.is_met()}))


def require(*jobs: str, more: Iterable[Need] = ()) -> None:
    """Raise InputError, which names all that is missing and one command, unless jobs have what they take.

    Args:
        jobs: names in `JOBS`.
        more: needs that only their caller knows.
    """
    packages = missing(jobs, more)
    if packages:
        raise InputError(f"this machine lacks {', '.join(packages)}", hint=command_for(packages))


@dataclass(frozen=True, slots=True, kw_only=True)
class Installer:
    """How this user may install Debian packages on this machine."""

    apt: bool
    """The machine has apt."""
    listed: bool
    """apt knows what there is to install."""
    root: bool
    sudo: bool
    """The user is not root, and sudo would help."""

    def command(self, packages: Iterable[str]) -> str:
        """A sentence that is, or ends in, the command."""
        names = " ".join(packages)
        if not self.apt:
            return f"install with your system's package manager what Debian calls: {names}"
        steps = (*(() if self.listed else ("apt-get update",)), f"apt-get install -y --no-install-recommends {names}")
        command = " && ".join(f"sudo {step}" if self.sudo else step for step in steps)
        return command if self.root or self.sudo else f"ask an administrator of this machine to run: {command}"


def command_for(packages: Iterable[str]) -> str:
    """How packages get onto this machine: see `Installer.command`."""
    return _installer().command(packages)


def _installer() -> Installer:
    root = os.geteuid() == 0
    return Installer(
        apt=shutil.which("apt-get") is not None,
        listed=any(Path("/var/lib/apt/lists").glob("*_Packages*")),
        root=root,
        sudo=not root and may_sudo(),
    )


def may_sudo() -> bool:
    """Whether sudo helps this user: without a password, or as a member of a group that usually may."""
    if not shutil.which("sudo"):
        return False
    names = {group.gr_name for group in grp.getgrall() if group.gr_gid in os.getgroups()}
    return bool(names & _ADMINISTRATORS) or sudo_asks_nothing()


def sudo_asks_nothing() -> bool:
    """Whether sudo runs a command for this user now, without a password."""
    return LocalExecutor().run(["sudo", "-n", "true"], timeout_s=_TIMEOUT_S).returncode == 0


def _main(jobs: list[str]) -> int:
    """For the Makefile: install what is missing where this user may, else say what is."""
    if unknown := set(jobs) - set(JOBS):
        print(f"error: no job is called {', '.join(sorted(unknown))}\nhint: {', '.join(JOBS)}", file=sys.stderr)
        return InputError.exit_code
    packages = missing(jobs)
    if not packages:
        return 0
    root = os.geteuid() == 0
    sudo = not root and shutil.which("sudo") and (sudo_asks_nothing() or (sys.stdin.isatty() and may_sudo()))
    if shutil.which("apt-get") and (root or sudo):
        script = Path(__file__).parents[2] / "cross" / "install-packages.sh"
        os.execv("/bin/sh", ["sh", str(script), *packages])  # noqa: S606  it keeps the terminal, where sudo asks
    print(f"error: this machine lacks {', '.join(packages)}\nhint: {command_for(packages)}", file=sys.stderr)
    return InputError.exit_code


if __name__ == "__main__":
    sys.exit(_main(sys.argv[1:]))
