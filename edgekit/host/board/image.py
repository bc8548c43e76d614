"""The board's image: built once by the scripts of `cross/board/`, and cached by the digest of its inputs."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from edgekit.errors import EdgekitError, InputError
from edgekit.executor import Executor
from edgekit.host.cache import Cache
from edgekit.host.preflight import may_sudo, require, sudo_asks_nothing
from edgekit.host.progress import Progress
from edgekit.host.settings import Settings
from edgekit.trust import sha256_bytes, sha256_file

_TIMEOUT_S = 1800.0
_USUALLY = {"configure": "1 to 3 minutes"}
"""How long a stage takes on two cores."""
_STAGES = {
    "unpack": "unpacking Debian packages",
    "configure": "configuring them (emulated)",
    "settle": "making it this board",
    "pack": "packing the disk",
    "clean": "cleaning up",
}
ALONE = ("unshare", "--mount", "--pid", "--fork", "--kill-child", "--")
"""What a stage mounts or starts ends with it, also when it is killed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BoardImage:
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


def ensure_image(settings: Settings, executor: Executor, progress: Progress) -> BoardImage:
    """Give the image, building it where the cache has none of these inputs.

    Raises:
        InputError: programs or root's rights are missing; see `check_rights`.
        EdgekitError: a script failed; its output is in the details.
    """
    scripts, cache = _scripts(settings), _cache(settings, progress)

    def make(folder: Path) -> None:
        require("board")
        check_rights()
        _build(scripts, folder, executor, progress)

    key = image_key(scripts)
    return BoardImage(folder=cache.get(key, make, "the board's image").folder.absolute(), key=key)


def has_image(settings: Settings) -> bool:
    """Whether the cache has the image. It is not checked."""
    return _cache(settings).has(image_key(_scripts(settings)))


def _cache(settings: Settings, progress: Progress | None = None) -> Cache:
    return Cache(settings.cache_dir / "images", progress)


def _scripts(settings: Settings) -> Path:
    return settings.data_dir / "cross" / "board"


def _build(scripts: Path, work: Path, executor: Executor, progress: Progress) -> None:
    root = [] if os.geteuid() == 0 else ["sudo", "-n"]
    try:
        _run_scripts(scripts, work, executor, progress)
    except EdgekitError:
        _script(executor, root, ["rm", "-rf", "--one-file-system", str(work)])  # some of it is root's
        raise
    for name in ("apt", "debs", "kernel-debs", "kernel", "busybox", "initrd"):
        shutil.rmtree(work / name, ignore_errors=True)


def _run_scripts(scripts: Path, work: Path, executor: Executor, progress: Progress) -> None:
    root = [] if os.geteuid() == 0 else ["sudo", "-n"]
    for name in ("host_key", "id_board"):
        _script(executor, [], ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(work / name)])
    with progress.step("board image: fetching Debian packages"):
        _script(executor, [], ["bash", str(scripts / "fetch.sh"), str(work)])
    with progress.step("board image: kernel and initrd"):
        _script(executor, [], ["bash", str(scripts / "kernel.sh"), str(work)])
    # A container whose root may not do this may not mount either, and has nothing to leave behind.
    alone = ALONE if executor.run([*root, *ALONE, "true"], timeout_s=_TIMEOUT_S).returncode == 0 else ()
    for stage, what in _STAGES.items():
        with progress.step(f"board image: {what}", usually=_USUALLY.get(stage, "")):
            _script(executor, [*root, *alone], ["bash", str(scripts / "rootfs.sh"), stage, str(work)])


def check_rights() -> None:
    """Raise InputError unless this user may make an image, which takes root's rights."""
    if os.geteuid() != 0 and not sudo_asks_nothing():
        raise _no_rights()


def _no_rights(details: str = "") -> InputError:
    return InputError(
        "building the board's image needs root's rights (chroot, mknod), and sudo does not give them now",
        hint="run `sudo -v` first" if may_sudo() else "take this machine as the device: edgekit demo --device host",
        details=details,
    )


def _script(executor: Executor, root: list[str], argv: list[str]) -> None:
    done = executor.run([*root, *argv], timeout_s=_TIMEOUT_S)
    if done.returncode and root[:1] == ["sudo"] and b"sudo:" in done.stderr:  # it asked again after a while
        raise _no_rights(done.output)
    if done.returncode:
        raise EdgekitError(
            f"{' '.join(argv[:3])} failed", hint="read the end of its output below", details=done.output[-4000:]
        )
