"""The virtual machine: QEMU's command line, its disks and its device tree."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from edgekit.errors import EdgekitError
from edgekit.executor import Executor
from edgekit.host.board.shapes import Shape

QEMU = "qemu-system-aarch64"
_CPU = "cortex-a76"
"""RK3588's big core; QEMU's `max` boots five times slower for its pointer authentication."""
_APPEND = "console=ttyAMA0 quiet loglevel=3 net.ifnames=0 systemd.show_status=false rcupdate.rcu_expedited=1 psi=1"
_TIMEOUT_S = 120.0
_MAX_SOCKET_BYTES = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Firmware:
    """What a machine boots: files that never change while it runs."""

    kernel: Path
    initrd: Path
    dtb: Path | None
    """A device tree of its own, or None for QEMU's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ram:
    """Memory in a file. A template's is shared with the file; a clone sees it through a private copy-on-write view."""

    file: Path
    shared: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """One QEMU process to be."""

    shape: Shape
    firmware: Firmware
    disk: Path
    """Its own overlay."""
    folder: Path
    """Holds socket and console."""
    port: int
    """On loopback; leads to the board's sshd."""
    ram: Ram | None = None

    @property
    def socket(self) -> Path:
        """QEMU's control socket."""
        return self.folder / "qmp.sock"

    def argv(self, *, incoming: bool = False) -> list[str]:
        """QEMU's command line. A template and its clones differ only in disk, port, sharing and `incoming`."""
        backend = ",memory-backend=ram" if self.ram else ""
        memory = f"{self.shape.memory_mib}M"
        args = [QEMU, "-M", f"virt,gic-version=3{backend}", "-cpu", _CPU, "-smp", str(len(self.shape.capacities))]
        args += ["-m", memory, "-accel", "tcg,thread=multi,tb-size=256", "-nodefaults", "-display", "none"]
        if self.ram:
            share = "on" if self.ram.shared else "off"
            file = f"memory-backend-file,id=ram,size={memory},mem-path={self.ram.file},share={share}"
            args += ["-object", file]
        args += ["-serial", f"file:{self.folder}/console.log", "-qmp", f"unix:{self.socket},server=on,wait=off"]
        args += ["-kernel", str(self.firmware.kernel), "-initrd", str(self.firmware.initrd), "-append", _APPEND]
        if self.firmware.dtb:
            args += ["-dtb", str(self.firmware.dtb)]
        args += ["-drive", f"if=none,id=d0,file={self.disk},format=qcow2,cache=unsafe,discard=unmap"]
        args += ["-device", "virtio-blk-pci,drive=d0"]
        args += ["-netdev", f"user,id=n0,hostfwd=tcp:127.0.0.1:{self.port}-:22"]
        args += ["-device", "virtio-net-pci,netdev=n0,romfile=", "-device", "virtio-rng-pci"]
        return args + (["-incoming", "defer"] if incoming else [])


def make_overlay(executor: Executor, disk: Path, base: Path, base_format: str) -> None:
    """A disk that reads from `base` and writes to itself."""
    argv = ["qemu-img", "create", "-q", "-f", "qcow2", "-F", base_format, "-b", str(base), str(disk)]
    _run(executor, argv, f"the disk {disk} could not be made")


def make_device_tree(executor: Executor, shape: Shape, file: Path) -> None:
    """QEMU's own tree with the shape's strings and core capacities in it. Source: QEMU, `dumpdtb`."""
    cpus = str(len(shape.capacities))
    dump = [QEMU, "-M", f"virt,gic-version=3,dumpdtb={file}", "-cpu", _CPU, "-smp", cpus]
    failed = f"the device tree of {shape.name} could not be made"
    _run(executor, [*dump, "-m", str(shape.memory_mib), "-nodefaults", "-display", "none"], failed)
    _run(executor, ["fdtput", "-t", "s", str(file), "/", "model", shape.model], failed)
    strings = [*shape.compatible, "linux,dummy-virt"]
    _run(executor, ["fdtput", "-t", "s", str(file), "/", "compatible", *strings], failed)
    for cpu, capacity in enumerate(shape.capacities):
        node = f"/cpus/cpu@{cpu:x}"
        _run(executor, ["fdtput", "-t", "i", str(file), node, "capacity-dmips-mhz", str(capacity)], failed)


def socket_fits(folder: Path) -> bool:
    """Whether a socket in this folder can be bound. Source: unix(7), `sun_path` holds 108 bytes."""
    return len(str(folder / "qmp.sock").encode()) <= _MAX_SOCKET_BYTES


def _run(executor: Executor, argv: list[str], failed: str) -> None:
    done = executor.run(argv, timeout_s=_TIMEOUT_S)
    if done.returncode:
        raise EdgekitError(failed, hint="look at the free disk: df -h", details=done.output)
