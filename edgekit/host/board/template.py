"""Templates: a board booted once and frozen, so that its clones are there in seconds.

A template's RAM is a file that clones map copy-on-write, its disk the base of their overlays. Nothing of it changes
once it is made; its key is the digest of all that went into it, QEMU's version included.

A template may hold a *seed*: content-addressed files placed in the keeper's store, as a factory would flash them.
Sending to an emulated board runs at about 4 MB/s, and numpy, OpenCV and ONNX Runtime alone are some 200 MB.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from edgekit.errors import EdgekitError
from edgekit.executor import Executor
from edgekit.executor.local import start_detached, stop
from edgekit.executor.processes import is_running
from edgekit.host.board.image import BoardImage
from edgekit.host.board.login import Login, wait_for_sshd, write_known_hosts
from edgekit.host.board.machine import QEMU, Firmware, Machine, Ram, make_device_tree, make_overlay
from edgekit.host.board.qmp import Qmp
from edgekit.host.board.shapes import Shape
from edgekit.host.cache import Cache
from edgekit.host.ports import free_port
from edgekit.host.preflight import find_program, require
from edgekit.host.progress import Progress
from edgekit.schema.board import BoardPaths
from edgekit.schema.reader import to_json
from edgekit.schema.units import counted
from edgekit.trust import sha256_bytes

_WARM = "systemctl is-system-running --wait; python3 -c 'import ssl, json, asyncio, zlib, typing'; ssh -V; sync"
_FORMAT = "4"
_FORGOTTEN = "forgotten"
"""Beside a template's content: see `forget`."""
STORE = BoardPaths(prefix="/").store_dir


@dataclass(frozen=True, slots=True, kw_only=True)
class Seed:
    """Files for the keeper's store: store name (digest, `.x` behind executable ones) to the file."""

    files: Mapping[str, Path] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """Digest of the names, which are digests themselves."""
        return sha256_bytes("\n".join(sorted(self.files)).encode())[:16] if self.files else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class BoardTools:
    """What making boards works with."""

    executor: Executor
    progress: Progress


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """A frozen board."""

    folder: Path
    shape: Shape

    @property
    def firmware(self) -> Firmware:
        """What it and its clones boot."""
        dtb = self.folder / "board.dtb"
        return Firmware(
            kernel=self.folder / "Image", initrd=self.folder / "initrd.cpio", dtb=dtb if self.shape.compatible else None
        )

    @property
    def ram(self) -> Path:
        """Its memory."""
        return self.folder / "ram.bin"

    @property
    def disk(self) -> Path:
        """The base of the clones' overlays."""
        return self.folder / "disk.qcow2"

    @property
    def state(self) -> Path:
        """The devices' state."""
        return self.folder / "state.bin"

    def resume(self, machine: Machine) -> None:
        """Let a QEMU that waits with `-incoming defer` go on from here."""
        with Qmp(machine.socket) as qmp:
            qmp.ignore_shared_memory()
            qmp("migrate-incoming", uri=f"exec:cat {self.state}")
            qmp.wait_migrated()
            qmp("cont")


def ensure_template(image: BoardImage, shape: Shape, seed: Seed, cache: Cache, tools: BoardTools) -> Template:
    """Give the template, making it where the cache has none.

    Args:
        image: what it boots.
        shape: what it looks like.
        seed: files in its store.
        cache: for templates.
        tools: runs programs and shows steps.
    """
    require("board")
    version = tools.executor.run([QEMU, "--version"], timeout_s=20).text.splitlines()[0]
    # The host key stands for this very build: an image built again from the same inputs has other keys.
    inputs = [image.key, image.host_key.read_text(), version, seed.key, _FORMAT]
    parts = b"\n".join([*(text.encode() for text in inputs), to_json(shape)])
    key = _usable(f"{shape.name}-{sha256_bytes(parts)[:16]}", cache)

    def make(folder: Path) -> None:
        _make(Template(folder=folder, shape=shape), image, seed, cache.folder / f".run-{key[-8:]}", tools)

    cached = cache.get(key, make, f"a board like {shape.name}" + (", seeded" if seed.files else ""))
    return Template(folder=cached.folder.absolute(), shape=shape)


def forget(template: Template) -> None:
    """Let no board resume from this template again: the next `board up` makes another, under another key.

    Its disk stays. Other boards' disks hang on it, and would be torn if it went or changed.
    """
    (template.folder.parent / _FORGOTTEN).touch()


def _usable(first: str, cache: Cache) -> str:
    """The first key of this name, then with -2, -3 ... behind it, that was not forgotten."""
    key, count = first, 1
    while (cache.path(key).parent / _FORGOTTEN).exists():
        count += 1
        key = f"{first}-{count}"
    return key


def _make(template: Template, image: BoardImage, seed: Seed, run: Path, tools: BoardTools) -> None:
    folder = template.folder
    (folder / "Image").hardlink_to(image.kernel)
    (folder / "initrd.cpio").hardlink_to(image.initrd)
    base = folder / "base.ext4"
    if seed.files:
        with tools.progress.step(f"board template: placing {counted(len(seed.files), 'file')} in its store"):
            _copy_seeded(image.disk, base, seed, tools.executor)
    else:
        base.hardlink_to(image.disk)
    if template.shape.compatible:
        make_device_tree(tools.executor, template.shape, folder / "board.dtb")
    # By its bare name: the folder is renamed when it is done.
    make_overlay(tools.executor, template.disk, Path("base.ext4"), "raw")
    shutil.rmtree(run, ignore_errors=True)
    run.mkdir(mode=0o700)
    with tools.progress.step(f"board template: booting {template.shape.name} once (emulated)"):
        _boot_and_freeze(template, image, run, tools.executor)
    shutil.rmtree(run, ignore_errors=True)


def _boot_and_freeze(template: Template, image: BoardImage, run: Path, executor: Executor) -> None:
    machine = Machine(
        shape=template.shape,
        firmware=template.firmware,
        disk=template.disk,
        folder=run,
        port=free_port(),
        ram=Ram(file=template.ram, shared=True),
    )
    log = run / "qemu.log"
    pid = start_detached(machine.argv(), log=log)
    try:
        wait_for_sshd(machine.port, pid, log)
        known_hosts = run / "known_hosts"
        write_known_hosts(known_hosts, image.host_key.read_text())
        login = Login(port=machine.port, identity=image.identity, known_hosts=known_hosts)
        for path, text in template.shape.files.items():
            login.run(executor, f"cat > {path}", stdin=text.encode())
        login.run(executor, f"{{ {_WARM}; }} > /dev/null 2>&1", timeout_s=300)
        time.sleep(1)  # the connection closes before the freeze
        with Qmp(machine.socket) as qmp:
            qmp.ignore_shared_memory()
            qmp("migrate-set-parameters", **{"max-bandwidth": 0})
            qmp("stop")
            qmp("migrate", uri=f"exec:cat > {template.state}")
            qmp.wait_migrated()
            qmp("quit")
        deadline = time.monotonic() + 20
        while is_running(pid) and time.monotonic() < deadline:
            time.sleep(0.05)
    finally:
        stop(pid, grace_s=0)


def _copy_seeded(disk: Path, copy: Path, seed: Seed, executor: Executor) -> None:
    """A copy of the disk with the seed in the store. debugfs writes into the image: no root, no loop mount."""
    copied = executor.run(["cp", "--sparse=always", "--reflink=auto", str(disk), str(copy)], timeout_s=300)
    folders = [BoardPaths(prefix="/").state_dir, STORE.rpartition("/")[0], STORE]
    folders += [f"{STORE}/{start}" for start in sorted({name[:2] for name in seed.files})]
    lines = [f"mkdir {folder}" for folder in folders]
    for name, file in sorted(seed.files.items()):
        place = f"{STORE}/{name[:2]}/{name}"
        lines += [f'write "{file}" {place}', f"sif {place} mode {'0100555' if name.endswith('.x') else '0100444'}"]
        lines += [f"sif {place} uid 0", f"sif {place} gid 0"]
    script = copy.with_name("seed.debugfs")
    script.write_text("\n".join(lines) + "\n")
    done = executor.run([find_program("debugfs"), "-w", "-f", str(script), str(copy)], timeout_s=600)
    script.unlink()
    # debugfs always ends with 0; its first line on stderr is its version.
    wrong = [line for line in done.stderr.decode(errors="replace").splitlines() if not line.startswith("debugfs ")]
    if copied.returncode or done.returncode or wrong:
        raise EdgekitError(
            f"{counted(len(seed.files), 'file')} could not be put on the board's disk",
            hint="look at the free disk here (df -h); the board's has 2 GiB",
            details="\n".join([copied.output, *wrong[:20]]),
        )
