"""The board's image: built once by the scripts of `cross/board/`, kept in the cache under the digest of its inputs."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from edgekit.errors import EdgekitError, InputError
from edgekit.executor import Executor
from edgekit.host.progress import Progress
from edgekit.host.settings import Settings
from edgekit.trust import sha256_bytes, sha256_file

_TIMEOUT_S = 1800.0
_STAGES = {
    "unpack": "unpacking Debian packages",
    "configure": "configuring them (emulated; takes minutes)",
    "settle": "making it this board",
    "pack": "packing the disk",
    "clean": "cleaning up",
}
_PROGRAMS = {
    "apt-get": "apt",
    "dpkg-deb": "dpkg",
    "qemu-aarch64-static": "qemu-user-static",
    "modprobe": "kmod",
    "cpio": "cpio",
    "mke2fs": "e2fsprogs",
    "ssh-keygen": "openssh-client",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """A finished image. Its files never change; templates link to them."""

    folder: Path
    key: str
    """Digest of everything that it was made from."""

    @property
    def kernel(self) -> Path:
        """The raw kernel."""
        return self.folder / "Image"

    @property
    def initrd(self) -> Path:
        """Busybox and the drivers that reach the disk."""
        return self.folder / "initrd.cpio"

    @property
    def disk(self) -> Path:
        """The root file system, ext4, sparse."""
        return self.folder / "board.ext4"

    @property
    def identity(self) -> Path:
        """Private key that logs in as root on every board."""
        return self.folder / "id_board"

    @property
    def host_key(self) -> Path:
        """Public half of the host key that a board has until it gets its own."""
        return self.folder / "host_key.pub"


def image_key(scripts: Path) -> str:
    """Digest of the scripts and data that an image is made from."""
    files = sorted(path for path in scripts.rglob("*") if path.is_file())
    return sha256_bytes("".join(f"{file.relative_to(scripts)} {sha256_file(file)}\n" for file in files).encode())[:16]


def ensure_image(settings: Settings, executor: Executor, progress: Progress) -> Image:
    """Give the image, building it where the cache has none of these inputs.

    Raises:
        InputError: programs or root's rights are missing.
        EdgekitError: a script failed; its output is in the details.
    """
    scripts = settings.data_dir / "cross" / "board"
    key = image_key(scripts)
    folder = settings.cache_dir / "board" / f"image-{key}"
    image = Image(folder=folder, key=key)
    if not folder.is_dir():
        check_programs(_PROGRAMS)
        with only_one(settings.cache_dir / "board", progress):
            if not folder.is_dir():
                _build(scripts, folder, executor, progress)
    return image


@contextmanager
def only_one(folder: Path, progress: Progress) -> Iterator[None]:
    """Let one command at a time make things in a cache folder; others wait."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            progress.note("another command is making the board's image: waiting for it")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def check_programs(programs: dict[str, str]) -> None:
    """Raise InputError that names the packages of all missing programs."""
    missing = {package for program, package in programs.items() if not shutil.which(find_program(program))}
    if missing:
        names = " ".join(sorted(missing))
        raise InputError(f"the virtual board needs {names}", hint=f"apt-get install {names}; or: make packages")


def find_program(name: str) -> str:
    """Where a program is, also one that only root has on its PATH; its bare name where it is missing."""
    path = os.pathsep.join([os.defpath, "/usr/local/sbin", "/usr/sbin", "/sbin"])
    return shutil.which(name) or shutil.which(name, path=path) or name


def _build(scripts: Path, folder: Path, executor: Executor, progress: Progress) -> None:
    work = folder.with_name(folder.name + ".new")
    root = [] if os.geteuid() == 0 else ["sudo", "-n"]
    _script(executor, root, ["rm", "-rf", "--one-file-system", str(work)])
    work.mkdir(parents=True)
    for name in ("host_key", "id_board"):
        _script(executor, [], ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(work / name)])
    with progress.step("board image: fetching Debian packages"):
        _script(executor, [], ["bash", str(scripts / "fetch.sh"), str(work)])
    with progress.step("board image: kernel and initrd"):
        _script(executor, [], ["bash", str(scripts / "kernel.sh"), str(work)])
    for stage, words in _STAGES.items():
        with progress.step(f"board image: {words}"):
            _script(executor, root, ["bash", str(scripts / "rootfs.sh"), stage, str(work)])
    for name in ("apt", "debs", "kernel-debs", "kernel", "busybox", "initrd"):
        shutil.rmtree(work / name, ignore_errors=True)
    work.rename(folder)


def _script(executor: Executor, root: list[str], argv: list[str]) -> None:
    done = executor.run([*root, *argv], timeout_s=_TIMEOUT_S)
    if done.returncode == 0:
        return
    if root and b"sudo:" in done.stderr:
        raise InputError(
            "building the board's image needs root's rights (chroot, mknod), and sudo asks for a password",
            hint="run `sudo -v` first, or run this once as root",
            details=done.output,
        )
    raise EdgekitError(
        f"{' '.join(argv[:3])} failed", hint="read the end of its output below", details=done.output[-4000:]
    )
