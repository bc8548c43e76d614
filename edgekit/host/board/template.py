"""Templates: a board booted once and frozen, so that its clones are there in seconds.

A template's RAM is a file that clones map copy-on-write, its disk the base of their overlays. Nothing of it changes
once it is made; its key is the digest of all that went into it, QEMU's version included.

A template may hold a *seed*: content-addressed files placed in the keeper's store, as a factory would flash them.
Sending to an emulated board runs at about 4 MB/s, and numpy, OpenCV and ONNX Runtime alone are some 200 MB.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from edgekit.errors import EdgekitError
from edgekit.executor import Executor
from edgekit.executor.local import start_detached, stop
from edgekit.executor.processes import is_running
from edgekit.host.board.image import Image, only_one
from edgekit.host.board.login import Login, free_port, wait_for_sshd, write_known_hosts
from edgekit.host.board.machine import QEMU, Firmware, Machine, Ram, make_device_tree, make_overlay
from edgekit.host.board.qmp import Qmp
from edgekit.host.board.shapes import Shape
from edgekit.host.preflight import find_program, require
from edgekit.host.progress import Progress
from edgekit.schema.reader import to_json
from edgekit.schema.units import counted
from edgekit.trust import sha256_bytes

_WARM = "systemctl is-system-running --wait; python3 -c 'import ssl, json, asyncio, zlib, typing'; ssh -V; sync"
_FORMAT = "3"
STORE = "/var/lib/edgekit/store/sha256"


@dataclass(frozen=True, slots=True, kw_only=True)
class Seed:
    """Files for the keeper's store: store name (digest, `.x` behind executable ones) to the file."""

    files: Mapping[str, Path] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """Digest of the names, which are digests themselves."""
        return sha256_bytes("\n".join(sorted(self.files)).encode())[:16] if self.files else ""


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


def ensure_template(image: Image, shape: Shape, seed: Seed, executor: Executor, progress: Progress) -> Template:
    """Give the template, making it where the cache has none."""
    require("board")
    version = executor.run([QEMU, "--version"], timeout_s=20).text.splitlines()[0]
    # The host key stands for this very build: an image built again from the same inputs has other keys.
    inputs = [image.key, image.host_key.read_text(), version, seed.key, _FORMAT]
    parts = b"\n".join([*(text.encode() for text in inputs), to_json(shape)])
    first = image.folder.with_name(f"template-{shape.name}-{sha256_bytes(parts)[:16]}")
    template = Template(folder=_usable(first), shape=shape)
    if not template.folder.is_dir():
        with only_one(first.parent, progress):
            template = Template(folder=_usable(first), shape=shape)
            if not template.folder.is_dir():
                work = template.folder.with_name(template.folder.name + ".new")
                _make(Template(folder=work, shape=shape), image, seed, executor, progress)
                work.rename(template.folder)
    for used in (template.folder, image.folder):
        os.utime(used)
    return template


def forget(template: Template) -> None:
    """Let no board resume from this template again: the next `board up` makes another, in another folder.

    Its disk stays. Other boards' disks hang on it, and would be torn if it went or changed.
    """
    template.state.unlink(missing_ok=True)
    template.ram.unlink(missing_ok=True)


def _usable(first: Path) -> Path:
    """The first folder of this name, then with -2, -3 ... behind it, that was not forgotten."""
    folder, count = first, 1
    while folder.is_dir() and not (folder / "state.bin").exists():
        count += 1
        folder = first.with_name(f"{first.name}-{count}")
    return folder


def _make(template: Template, image: Image, seed: Seed, executor: Executor, progress: Progress) -> None:
    folder = template.folder
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    (folder / "Image").hardlink_to(image.kernel)
    (folder / "initrd.cpio").hardlink_to(image.initrd)
    base = folder / "base.ext4"
    if seed.files:
        with progress.step(f"board template: placing {counted(len(seed.files), 'file')} in its store"):
            _copy_seeded(image.disk, base, seed, executor)
    else:
        base.hardlink_to(image.disk)
    if template.shape.compatible:
        make_device_tree(executor, template.shape, folder / "board.dtb")
    # By its bare name: the folder is renamed when it is done.
    make_overlay(executor, template.disk, Path("base.ext4"), "raw")
    with progress.step(f"board template: booting {template.shape.name} once (emulated)"):
        _boot_and_freeze(template, image, executor)


def _boot_and_freeze(template: Template, image: Image, executor: Executor) -> None:
    ram = Ram(file=template.ram, shared=True)
    machine = Machine(
        shape=template.shape, firmware=template.firmware, folder=template.folder, port=free_port(), ram=ram
    )
    log = template.folder / "qemu.log"
    pid = start_detached(machine.argv(), log=log)
    try:
        wait_for_sshd(machine.port, pid, log)
        known_hosts = template.folder / "known_hosts"
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
    folders = ["/var/lib/edgekit", "/var/lib/edgekit/store", STORE]
    folders += [f"{STORE}/{start}" for start in sorted({name[:2] for name in seed.files})]
    lines = [f"mkdir {folder}" for folder in folders]
    for name, file in sorted(seed.files.items()):
        place = f"{STORE}/{name[:2]}/{name}"
        lines += [f'write "{file}" {place}', f"sif {place} mode {'0100555' if name.endswith('.x') else '0100444'}"]
        lines += [f"sif {place} uid 0", f"sif {place} gid 0"]
    script = copy.with_name("seed.debugfs")
    script.write_text("\n".join(lines) + "\n")
    done = executor.run([find_program("debugfs"), "-w", "-f", str(script), str(copy)], timeout_s=600)
    # debugfs always ends with 0; its first line on stderr is its version.
    wrong = [line for line in done.stderr.decode(errors="replace").splitlines() if not line.startswith("debugfs ")]
    if copied.returncode or done.returncode or wrong:
        raise EdgekitError(
            f"{counted(len(seed.files), 'file')} could not be put on the board's disk",
            hint="look at the free disk here (df -h); the board's has 2 GiB",
            details="\n".join([copied.output, *wrong[:20]]),
        )
