"""Virtual boards by name: bring up, take down, and do to them what happens to boards."""

from __future__ import annotations

import dataclasses
import shutil
import time
from pathlib import Path

from edgekit.errors import EdgekitError, InputError, NothingSelected, Unreachable
from edgekit.executor import Executor
from edgekit.executor.local import start_detached
from edgekit.executor.processes import is_running
from edgekit.host.board.image import BoardImage, ensure_image
from edgekit.host.board.login import KEY_ALIAS, Login, wait_for_sshd, write_known_hosts
from edgekit.host.board.machine import Machine, Ram, make_overlay, socket_fits
from edgekit.host.board.process import BoardProcesses
from edgekit.host.board.records import BoardRecord, BoardRecords, BoardStatus
from edgekit.host.board.shapes import SHAPES, Shape
from edgekit.host.board.template import BoardTools, Seed, Template, ensure_template, forget
from edgekit.host.cache import Cache
from edgekit.host.disk import write_whole
from edgekit.host.ports import free_port
from edgekit.host.progress import Progress
from edgekit.host.settings import Settings
from edgekit.schema.fleet import Device
from edgekit.schema.reader import to_json


class Boards:
    """All virtual boards of one user."""

    def __init__(self, settings: Settings, executor: Executor, progress: Progress) -> None:
        self._settings = settings
        self._executor = executor
        self._progress = progress
        self._records = BoardRecords(settings)
        self._processes = BoardProcesses(self._records)

    def folder(self, name: str) -> Path:
        """Where a board's files are."""
        return self._records.folder(name)

    def names(self) -> list[str]:
        """All boards that have been brought up and not taken down."""
        return self._records.names()

    def status(self, name: str) -> BoardStatus:
        """Look at one board; `damaged` is one whose record cannot be read.

        Raises:
            NothingSelected: there is no such board.
        """
        try:
            record = self._records.read(name)
        except InputError:
            return BoardStatus(name=name, like="", state="damaged", address="", pid=0)
        state = self._processes.state(name, record)
        return BoardStatus(
            name=name, like=record.shape, state=state, address=f"root@127.0.0.1:{record.port}", pid=record.pid
        )

    def up(self, name: str, shape: Shape, *, seed: Seed | None = None, fresh: bool = False) -> BoardStatus:
        """Bring a board up: resume a clone of the template, or boot the board's own disk again after it went down hard.

        Args:
            name: the board.
            shape: what it looks like; an existing board keeps its own.
            seed: files in its store from the start.
            fresh: forget its disk.

        Raises:
            LockHeld: another command is bringing it up.
        """
        folder = self.folder(name)
        if not socket_fits(folder):
            raise InputError(f"{folder} is too long for QEMU's socket", hint="set EDGEKIT_HOME to a shorter folder")
        with self._records.locked(name):
            return self._up(name, shape, seed or Seed(), fresh=fresh)

    def _up(self, name: str, shape: Shape, seed: Seed, *, fresh: bool) -> BoardStatus:
        # Without device.json it never came up whole: what an interrupted command left is worth nothing.
        there = fresh or not (self.folder(name) / "device.json").exists()
        found = None if there else self.status(name)
        if found is None or found.state == "damaged":
            self._remove(name)
        else:
            if found.state == "running":
                return dataclasses.replace(found, how="already up")
            self._progress.note(f"{name} is {found.state}: booting its disk again")
            self._boot_again(name)
            return dataclasses.replace(self.status(name), how="booted")
        how = self._clone(name, shape, seed)
        return dataclasses.replace(self.status(name), how=how)

    def down(self, name: str) -> None:
        """End a board and forget it, whatever state it is in."""
        there = self.folder(name).is_dir()
        if not self._remove(name) and not there:
            raise NothingSelected(f"there is no board {name!r}", hint="edgekit board list")

    def power_cut(self, name: str) -> None:
        """End the machine at once, as a pulled plug does; `up` boots its disk again."""
        self._processes.cut_power(name)

    def reset(self, name: str) -> None:
        """Press the reset button."""
        with self._processes.control(name) as qmp:
            qmp("system_reset")

    def link(self, name: str, *, up: bool) -> None:
        """Plug or pull the network cable."""
        with self._processes.control(name) as qmp:
            qmp("set_link", name="n0", up=up)

    def login(self, name: str) -> Login:
        """How to log in."""
        record = self._records.read(name)
        return Login(
            port=record.port,
            identity=Path(record.image, "id_board"),
            known_hosts=self.folder(name) / "known_hosts",
        )

    def _clone(self, name: str, shape: Shape, seed: Seed) -> str:
        tools = BoardTools(executor=self._executor, progress=self._progress)
        cache = Cache(self._settings.cache_dir / "templates", self._progress)
        image = ensure_image(self._settings, self._executor, self._progress)
        template = ensure_template(image, shape, seed, cache, tools)
        folder = self.folder(name)
        folder.mkdir(parents=True, mode=0o700)
        write_known_hosts(folder / "known_hosts", image.host_key.read_text())
        try:
            self._resume(name, shape, template, image)
            how = "resumed"
        except (EdgekitError, Unreachable) as error:
            self._progress.note(
                f"the template does not resume ({error.message}): cold boot; the next board makes it anew"
            )
            self._processes.end(name)
            forget(template)
            template = ensure_template(image, shape, seed, cache, tools)
            make_overlay(self._executor, folder / "disk.qcow2", template.disk, "qcow2")
            self._start(name, shape, template, image, resume=False)
            how = "booted"
        self._personalise(name)
        self._write_device(name, shape)
        return how

    def _resume(self, name: str, shape: Shape, template: Template, image: BoardImage) -> None:
        make_overlay(self._executor, self.folder(name) / "disk.qcow2", template.disk, "qcow2")
        self._start(name, shape, template, image, resume=True)

    def _start(self, name: str, shape: Shape, template: Template, image: BoardImage, *, resume: bool) -> None:
        """Start QEMU; a port that somebody took meanwhile makes it end at once, so try another."""
        folder = self.folder(name)
        log = folder / "qemu.log"
        for _ in range(3):
            ram = Ram(file=template.ram, shared=False) if resume else None
            machine = Machine(
                shape=shape,
                firmware=template.firmware,
                disk=folder / "disk.qcow2",
                folder=folder,
                port=free_port(),
                ram=ram,
            )
            pid = start_detached(machine.argv(incoming=resume), log=log)
            record = BoardRecord(
                shape=shape.name,
                port=machine.port,
                pid=pid,
                template=str(template.folder),
                image=str(image.folder),
                image_key=image.key,
            )
            self._records.write(name, record)
            time.sleep(0.1)
            if is_running(pid) or "hostfwd" not in log.read_text(errors="replace"):
                break
        if resume:
            template.resume(machine)
        else:
            wait_for_sshd(machine.port, pid, log)

    def _boot_again(self, name: str) -> None:
        record = self._records.read(name)
        self._processes.end(name)
        shape = SHAPES[record.shape]
        template = Template(folder=Path(record.template), shape=shape)
        image = BoardImage(folder=Path(record.image), key=record.image_key)
        if not template.folder.is_dir():
            raise EdgekitError(f"the template of {name} is gone", hint=f"edgekit board up --name {name} --fresh")
        with self._progress.step(f"{name}: cold boot (emulated)", usually="15 to 60 s"):
            self._start(name, shape, template, image, resume=False)
        self.login(name).run(self._executor, _set_clock())
        self._write_device(name, shape)

    def _personalise(self, name: str) -> None:
        """Give a clone its own host key and the right time, in one connection: each costs seconds when emulated."""
        folder = self.folder(name)
        key = folder / "host_key"
        self._executor.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(key)], timeout_s=30)
        place = "/etc/ssh/ssh_host_ed25519_key"
        command = f"{_set_clock()}; cat > {place}; ssh-keygen -y -f {place} > {place}.pub; sync"
        self.login(name).run(self._executor, command, stdin=key.read_bytes())
        write_known_hosts(folder / "known_hosts", key.with_suffix(".pub").read_text())
        key.unlink()

    def _write_device(self, name: str, shape: Shape) -> None:
        login = self.login(name)
        device = Device(
            name=name,
            address=f"root@127.0.0.1:{login.port}",
            target=shape.target,
            identity=str(login.identity),
            known_hosts=str(login.known_hosts),
            host_key_alias=KEY_ALIAS,
        )
        write_whole(self.folder(name) / "device.json", to_json(device))

    def _remove(self, name: str) -> int:
        ended = self._processes.end(name)
        shutil.rmtree(self.folder(name), ignore_errors=True)
        return ended


def _set_clock() -> str:
    """Shell words that set the board's clock: a frozen one stood, and there is no time service.

    The board's RTC is this machine's clock and did not stand. Our own time is only the second choice: it is that of the
    login's start, and a first login takes seconds on an emulated board.
    """
    return f"date -s @$(cat /sys/class/rtc/rtc0/since_epoch || echo {time.time():.0f}) > /dev/null"
