"""Virtual boards, and this machine as one: bring up, take down, list, and what happens to boards."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edgekit.errors import InputError
from edgekit.host.board.boards import Boards
from edgekit.host.board.login import exec_ssh
from edgekit.host.board.records import BoardStatus, State
from edgekit.host.board.shapes import SHAPES
from edgekit.host.board.template import Seed
from edgekit.host.board.this_machine import ThisMachine
from edgekit.host.cache_users import using
from edgekit.host.preflight import require
from edgekit.host.release.folder import open_release, third_party_files
from edgekit.host.workflow.workstation import Workstation
from edgekit.schema.fleet import HOST, Device

_COMMAND_S = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class BoardOptions:
    """Which board is wanted."""

    name: str = ""
    """Empty: named after its kind."""
    like: str = "virt"
    """Its kind: see `host.board.shapes`."""
    seed: Path | None = None
    """A release whose Python packages the board shall have from the start."""
    fresh: bool = False
    """Forget its disk."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BoardCommand:
    """How a command on a board ended."""

    name: str
    exit_code: int
    stdout: str
    stderr: str


def bring_up_host(name: str, station: Workstation) -> Device:
    """Have this machine be a device, below a folder of its own.

    Raises:
        InputError: it shall have another name, or a program is missing.
    """
    require("build")
    if name not in ("", HOST):
        raise InputError("this machine is always named host", hint="leave --name out")
    return ThisMachine(station.settings, station.executor).up()


def bring_up(options: BoardOptions, station: Workstation) -> BoardStatus:
    """Bring a virtual board up: in seconds from a template, which is made at first use.

    Raises:
        InputError: there is no such kind, the name is not one, or a program is missing.
        LockHeld: another command is bringing it up.
    """
    like, name = options.like, options.name or options.like
    if like not in SHAPES:
        raise InputError(f"no board is like {like!r}", hint=f"known are {', '.join([*SHAPES, HOST])}")
    if not name.replace("-", "").isalnum() or name == HOST:
        hint = "edgekit board up --like host" if name == HOST else "use letters, digits and dashes"
        raise InputError(f"{name!r} is not a name for a board", hint=hint)
    require("board")
    with using(station.settings.cache_dir):
        return boards_of(station).up(name, SHAPES[like], seed=_seed(options.seed), fresh=options.fresh)


def take_down(name: str, station: Workstation) -> None:
    """End a board and forget it, whatever state it is in."""
    if name == HOST:
        ThisMachine(station.settings, station.executor).down()
    else:
        boards_of(station).down(name)


def list_boards(station: Workstation) -> tuple[BoardStatus, ...]:
    """All boards and how they are, this machine at the end where it is one."""
    boards, host = boards_of(station), ThisMachine(station.settings, station.executor)
    found = [boards.status(name) for name in boards.names()]
    if device := host.device():
        state: State = "running" if host.pid() or device.address == "local" else "dead"
        found.append(BoardStatus(name=HOST, like=HOST, state=state, address=device.address, pid=host.pid()))
    return tuple(found)


def run_on_board(name: str, command: Sequence[str], station: Workstation) -> BoardCommand:
    """Run a command on a board as root, to its end."""
    login = boards_of(station).login(name)
    done = station.executor.run([*login.argv(), *command], timeout_s=_COMMAND_S)
    return BoardCommand(name=name, exit_code=done.returncode, stdout=done.text, stderr=done.errors)


def become_ssh(name: str, command: Sequence[str], station: Workstation) -> None:
    """Replace this process by ssh on a board, which has the terminal from then on. Does not return."""
    exec_ssh(boards_of(station).login(name), list(command))


def boards_of(station: Workstation) -> Boards:
    """This user's virtual boards."""
    return Boards(station.settings, station.executor, station.progress)


def _seed(release: Path | None) -> Seed:
    """The third-party Python packages of a release: nothing of edgekit's or of the application's own."""
    if release is None:
        return Seed()
    folder = open_release(release)
    names = {
        entry.sha256 + (".x" if entry.executable else ""): folder.file(entry).resolve()
        for entry in third_party_files(folder.manifest)
    }
    return Seed(files=names)
