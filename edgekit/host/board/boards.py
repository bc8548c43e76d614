"""Virtual boards by name: bring up, take down, and do to them what happens to boards."""

from __future__ import annotations

import fcntl
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from edgekit.errors import EdgekitError, InputError, LockHeld, NothingSelected, Unreachable
from edgekit.executor import Executor
from edgekit.executor.local import start_detached, stop
from edgekit.executor.processes import is_running
from edgekit.host.board.image import Image, ensure_image
from edgekit.host.board.login import KEY_ALIAS, Login, answers, free_port, wait_for_sshd, write_known_hosts
from edgekit.host.board.machine import Machine, Ram, make_overlay, socket_fits
from edgekit.host.board.ownership import runs
from edgekit.host.board.qmp import Qmp
from edgekit.host.board.shapes import SHAPES, Shape
from edgekit.host.board.template import Seed, Template, ensure_template, forget
from edgekit.host.progress import Progress
from edgekit.host.settings import Settings
from edgekit.schema.fleet import Device
from edgekit.schema.reader import from_json, to_json

_DAY_S = 86400.0
State = Literal["running", "paused", "hung", "dead", "damaged"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """What is remembered of a board, in `board.json` of its folder."""

    shape: str
    port: int
    pid: int
    template: str
    """Its template's folder."""
    image: str
    """Its image's folder."""
    image_key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BoardStatus:
    """One board, for people and scripts."""

    name: str
    like: str
    state: State
    address: str
    pid: int
    how: str = ""
    """How `up` brought it there: `resumed`, `booted`, `already up`, or empty."""


class Boards:
    """All virtual boards of one user."""

    def __init__(self, settings: Settings, executor: Executor, progress: Progress) -> None:
        self._settings = settings
        self._executor = executor
        self._progress = progress

    def folder(self, name: str) -> Path:
        """Where a board's files are."""
        return self._settings.state_dir.absolute() / "boards" / name

    def names(self) -> list[str]:
        """All boards that have been brought up and not taken down."""
        return sorted(file.parent.name for file in self.folder("x").parent.glob("*/board.json"))

    def unused(self, unused_days: float, now_s: float) -> tuple[Path, ...]:
        """Templates and images that no board hangs on and nobody used for so many days, and what is half made.

        Args:
            unused_days: how long.
            now_s: seconds since the epoch.
        """
        needed = set()
        for name in self.names():
            with suppress(InputError):  # one that is damaged is made anew
                record = self._record(name)
                needed |= {Path(record.template).name, Path(record.image).name}
        folders = [path for path in sorted((self._settings.cache_dir / "board").glob("*-*")) if path.is_dir()]
        return tuple(
            path
            for path in folders
            if path.name not in needed
            and (path.name.endswith(".new") or now_s - path.stat().st_mtime >= unused_days * _DAY_S)
        )

    def status(self, name: str) -> BoardStatus:
        """Look at one board; `damaged` is one whose record cannot be read.

        Raises:
            NothingSelected: there is no such board.
        """
        try:
            record = self._record(name)
        except InputError:
            return BoardStatus(name=name, like="", state="damaged", address="", pid=0)
        state = self._state(name, record)
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
        with self._held(name):
            return self._up(name, shape, seed or Seed(), fresh=fresh)

    def _up(self, name: str, shape: Shape, seed: Seed, *, fresh: bool) -> BoardStatus:
        # Without device.json it never came up whole: what an interrupted command left is worth nothing.
        there = fresh or not (self.folder(name) / "device.json").exists()
        found = None if there else self.status(name)
        if found is None or found.state == "damaged":
            self._remove(name)
        else:
            if found.state == "running":
                return _told(found, "already up")
            self._progress.note(f"{name} is {found.state}: booting its disk again")
            self._boot_again(name)
            return _told(self.status(name), "booted")
        how = self._clone(name, shape, seed)
        return _told(self.status(name), how)

    def down(self, name: str) -> None:
        """End a board and forget it, whatever state it is in."""
        there = self.folder(name).is_dir()
        if not self._remove(name) and not there:
            raise NothingSelected(f"there is no board {name!r}", hint="edgekit board list")

    def power_cut(self, name: str) -> None:
        """End the machine at once, as a pulled plug does; `up` boots its disk again."""
        stop(self._alive(name).pid, grace_s=0)

    def reset(self, name: str) -> None:
        """Press the reset button."""
        with self._control(name) as qmp:
            qmp("system_reset")

    def link(self, name: str, *, up: bool) -> None:
        """Plug or pull the network cable."""
        with self._control(name) as qmp:
            qmp("set_link", name="n0", up=up)

    def login(self, name: str) -> Login:
        """How to log in."""
        record = self._record(name)
        return Login(
            port=record.port,
            identity=Path(record.image, "id_board"),
            known_hosts=self.folder(name) / "known_hosts",
        )

    def _clone(self, name: str, shape: Shape, seed: Seed) -> str:
        image = ensure_image(self._settings, self._executor, self._progress)
        template = ensure_template(image, shape, seed, self._executor, self._progress)
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
            self._kill(name)
            forget(template)
            template = ensure_template(image, shape, seed, self._executor, self._progress)
            make_overlay(self._executor, folder / "disk.qcow2", template.disk, "qcow2")
            self._start(name, shape, template, image, resume=False)
            how = "booted"
        self._personalise(name)
        self._write_device(name, shape)
        return how

    def _resume(self, name: str, shape: Shape, template: Template, image: Image) -> None:
        make_overlay(self._executor, self.folder(name) / "disk.qcow2", template.disk, "qcow2")
        self._start(name, shape, template, image, resume=True)

    def _start(self, name: str, shape: Shape, template: Template, image: Image, *, resume: bool) -> None:
        """Start QEMU; a port that somebody took meanwhile makes it end at once, so try another."""
        folder = self.folder(name)
        log = folder / "qemu.log"
        for _ in range(3):
            ram = Ram(file=template.ram, shared=False) if resume else None
            machine = Machine(shape=shape, firmware=template.firmware, folder=folder, port=free_port(), ram=ram)
            pid = start_detached(machine.argv(incoming=resume), log=log)
            record = Record(
                shape=shape.name,
                port=machine.port,
                pid=pid,
                template=str(template.folder),
                image=str(image.folder),
                image_key=image.key,
            )
            self._write(folder / "board.json", to_json(record))
            time.sleep(0.1)
            if is_running(pid) or "hostfwd" not in log.read_text(errors="replace"):
                break
        if resume:
            template.resume(machine)
        else:
            wait_for_sshd(machine.port, pid, log)

    def _boot_again(self, name: str) -> None:
        record = self._record(name)
        self._kill(name)
        shape = SHAPES[record.shape]
        template = Template(folder=Path(record.template), shape=shape)
        image = Image(folder=Path(record.image), key=record.image_key)
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
        self._write(self.folder(name) / "device.json", to_json(device))

    def _state(self, name: str, record: Record) -> State:
        if not self._is_ours(name, record.pid):
            return "dead"
        try:
            with Qmp(self.folder(name) / "qmp.sock", wait_s=1, answer_s=5) as qmp:
                if qmp("query-status")["status"] == "paused":
                    return "paused"
        except (Unreachable, EdgekitError):
            return "hung"
        return "running" if answers(record.port) else "hung"

    def _is_ours(self, name: str, pid: int) -> bool:
        """Whether a process is this board's QEMU, whatever its record says."""
        socket = os.fsencode(self.folder(name).absolute() / "qmp.sock")
        return runs(pid, "qemu-system-", b"\0-qmp\0unix:" + socket + b",")

    def _kill(self, name: str) -> int:
        """End every QEMU of this board, also one that no record names any more; give their number."""
        found = [int(process.name) for process in Path("/proc").glob("[0-9]*")]
        ours = [pid for pid in found if self._is_ours(name, pid)]
        for pid in ours:
            stop(pid, grace_s=0)
        return len(ours)

    def _remove(self, name: str) -> int:
        ended = self._kill(name)
        shutil.rmtree(self.folder(name), ignore_errors=True)
        return ended

    def _record(self, name: str) -> Record:
        file = self.folder(name) / "board.json"
        if not file.is_file():
            known = ", ".join(self.names()) or "none"
            raise NothingSelected(
                f"there is no board {name!r}", hint=f"edgekit board up --name {name} (known: {known})"
            )
        return from_json(Record, file.read_bytes(), str(file))

    def _alive(self, name: str) -> Record:
        record = self._record(name)
        if not self._is_ours(name, record.pid):
            raise Unreachable(f"board {name} is dead", hint=f"edgekit board up --name {name}")
        return record

    @contextmanager
    def _held(self, name: str) -> Iterator[None]:
        """Let one command at a time bring a board up. The file stays: removing it would let two hold it."""
        file = self.folder(name).with_suffix(".lock")
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("a") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise LockHeld(
                    f"another edgekit command is bringing {name} up", hint="try again when it has ended"
                ) from None
            yield

    @contextmanager
    def _control(self, name: str) -> Iterator[Qmp]:
        self._alive(name)
        with Qmp(self.folder(name) / "qmp.sock", wait_s=5) as qmp:
            yield qmp

    @staticmethod
    def _write(file: Path, content: bytes) -> None:
        aside = file.with_suffix(".new")
        aside.write_bytes(content)
        aside.replace(file)


def _set_clock() -> str:
    """Shell words that set the board's clock: a frozen one stood, and there is no time service.

    The board's RTC is this machine's clock and did not stand. Our own time is only the second choice: it is that of the
    login's start, and a first login takes seconds on an emulated board.
    """
    return f"date -s @$(cat /sys/class/rtc/rtc0/since_epoch || echo {time.time():.0f}) > /dev/null"


def _told(status: BoardStatus, how: str) -> BoardStatus:
    return BoardStatus(
        name=status.name, like=status.like, state=status.state, address=status.address, pid=status.pid, how=how
    )
