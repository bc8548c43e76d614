"""`edgekit board`: virtual boards."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgekit.cli.session import DaysOption, JsonFlag, local, output_for, settings_of
from edgekit.cli.verbs import Verbs, examples

if TYPE_CHECKING:
    from edgekit.cli.output import Output
    from edgekit.host.board.boards import Boards
    from edgekit.host.board.template import Seed

app = Verbs("Virtual boards: real arm64 Linux in QEMU, for trying recipes and for tests.")
link = Verbs("Pull and plug a board's network cable.")
app.add_typer(link, name="link")

Name = Annotated[str, typer.Option("--name", help="The board.")]
_HOST = "host"
_COMMAND_S = 3600.0


def boards_of(ctx: typer.Context, out: Output) -> Boards:
    """This user's boards."""
    from edgekit.host.board.boards import Boards

    return Boards(settings_of(ctx), local(), out)


@app.command()
@examples("edgekit board up", "edgekit board up --like rk3588 --name bench", "edgekit board up --like host")
def up(
    ctx: typer.Context,
    name: Annotated[str, typer.Option("--name", help="The board; by default named after --like.")] = "",
    like: Annotated[
        str, typer.Option("--like", help="virt, rk3588, orin-nano, or host: this machine itself.")
    ] = "virt",
    seed: Annotated[
        Path | None, typer.Option(help="A release whose Python packages the board shall have from the start.")
    ] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Forget the board's disk.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Bring a board up: in seconds from a template, made at first use. After a power cut: boot its disk again."""
    from edgekit.errors import InputError
    from edgekit.host.board.shapes import SHAPES
    from edgekit.host.board.this_machine import ThisMachine
    from edgekit.host.cache import using
    from edgekit.host.preflight import require

    out = output_for(as_json)
    if like == _HOST:
        require("build")
        if name not in ("", _HOST):
            raise InputError("this machine is always named host", hint="leave --name out")
        device = ThisMachine(settings_of(ctx), local()).up()
        out.result(device, f"host: {device.address}, everything below {device.prefix}")
        return
    if like not in SHAPES:
        raise InputError(f"no board is like {like!r}", hint=f"known are {', '.join([*SHAPES, _HOST])}")
    name = name or like
    if not name.replace("-", "").isalnum() or name == _HOST:
        raise InputError(f"{name!r} is no board's name", hint="use letters, digits and dashes")
    require("board")
    ctx.with_resource(using(settings_of(ctx).cache_dir))
    found = boards_of(ctx, out).up(name, SHAPES[like], seed=_seed(seed), fresh=fresh)
    out.result(found, f"{name}: {found.state} ({found.how}), {found.address}")


@app.command()
@examples("edgekit board down", "edgekit board down --name bench")
def down(ctx: typer.Context, name: Name = "virt", as_json: JsonFlag = False) -> None:
    """End a board and forget it, whatever state it is in."""
    from edgekit.host.board.this_machine import ThisMachine

    out = output_for(as_json)
    if name == _HOST:
        ThisMachine(settings_of(ctx), local()).down()
    else:
        boards_of(ctx, out).down(name)
    out.result({"name": name, "state": "down"}, f"{name}: down")


@app.command("list")
@examples("edgekit board list", "edgekit board list --json")
def list_(ctx: typer.Context, as_json: JsonFlag = False) -> None:
    """List boards and how they are: running, paused, hung, dead or damaged."""
    from edgekit.host.board.boards import BoardStatus, State
    from edgekit.host.board.this_machine import ThisMachine

    out = output_for(as_json)
    boards = boards_of(ctx, out)
    found = [boards.status(name) for name in boards.names()]
    host = ThisMachine(settings_of(ctx), local())
    if device := host.device():
        state: State = "running" if host.pid() or device.address == "local" else "dead"
        found.append(BoardStatus(name=_HOST, like=_HOST, state=state, address=device.address, pid=host.pid()))
    lines = [f"{board.name:12} {board.like:10} {board.state:8} {board.address}" for board in found]
    out.result({"boards": found}, "\n".join(lines) or "no boards")


@app.command()
@examples("edgekit board gc", "edgekit board gc --days 0")
def gc(ctx: typer.Context, days: DaysOption = 30.0, as_json: JsonFlag = False) -> None:
    """Throw away templates and images of boards that nobody used for long. Boards that are there keep theirs."""
    from edgekit.host.cache_users import emptying, remove_all
    from edgekit.schema.units import counted, format_bytes

    out = output_for(as_json)
    with emptying(settings_of(ctx).cache_dir):
        unused = boards_of(ctx, out).unused(days, time.time())
        freed = remove_all(unused)
    told = {"folders": [path.name for path in unused], "freed_bytes": freed}
    out.result(
        told, f"{counted(len(unused), 'folder')} of templates and images thrown away, {format_bytes(freed)} freed"
    )


@app.command(context_settings={"ignore_unknown_options": True})
@examples(
    "edgekit board ssh", "edgekit board ssh --name bench uname -a", "edgekit board ssh --json -- cat /etc/os-release"
)
def ssh(
    ctx: typer.Context,
    command: Annotated[list[str] | None, typer.Argument(help="What to run there; nothing: a shell.")] = None,
    name: Name = "virt",
    as_json: JsonFlag = False,
) -> None:
    """Log in to a board as root. With --json run the command there and tell how it ended."""
    from edgekit.errors import InputError
    from edgekit.host.board.login import exec_ssh

    out = output_for(as_json)
    login = boards_of(ctx, out).login(name)
    if not as_json:
        exec_ssh(login, command or [])
    if not command:
        raise InputError("a shell has no JSON", hint="give a command: edgekit board ssh --json -- uname -a")
    done = local().run([*login.argv(), *command], timeout_s=_COMMAND_S)
    result = {"name": name, "exit_code": done.returncode, "stdout": done.text, "stderr": done.errors}
    out.result(result)
    raise typer.Exit(done.returncode)


@app.command()
@examples("edgekit board reset --name bench")
def reset(ctx: typer.Context, name: Name = "virt", as_json: JsonFlag = False) -> None:
    """Press a board's reset button."""
    out = output_for(as_json)
    boards_of(ctx, out).reset(name)
    out.result({"name": name, "state": "reset"}, f"{name}: reset")


@app.command()
@examples("edgekit board power-cut --name bench")
def power_cut(ctx: typer.Context, name: Name = "virt", as_json: JsonFlag = False) -> None:
    """Pull a board's plug; `board up` boots its disk again."""
    out = output_for(as_json)
    boards_of(ctx, out).power_cut(name)
    out.result({"name": name, "state": "dead"}, f"{name}: without power; edgekit board up --name {name}")


@link.command("up")
@examples("edgekit board link up --name bench")
def link_up(ctx: typer.Context, name: Name = "virt", as_json: JsonFlag = False) -> None:
    """Plug a board's network cable in."""
    out = output_for(as_json)
    boards_of(ctx, out).link(name, up=True)
    out.result({"name": name, "link": "up"}, f"{name}: link up")


@link.command("down")
@examples("edgekit board link down --name bench")
def link_down(ctx: typer.Context, name: Name = "virt", as_json: JsonFlag = False) -> None:
    """Pull a board's network cable."""
    out = output_for(as_json)
    boards_of(ctx, out).link(name, up=False)
    out.result({"name": name, "link": "down"}, f"{name}: link down")


def _seed(release: Path | None) -> Seed:
    """The third-party Python packages of a release: nothing of edgekit's or of the application's own."""
    from edgekit.host.board.template import Seed

    if release is None:
        return Seed()
    from edgekit.host.release.folder import open_release, third_party_files

    folder = open_release(release)
    names = {
        entry.sha256 + (".x" if entry.executable else ""): folder.file(entry).resolve()
        for entry in third_party_files(folder.manifest)
    }
    return Seed(files=names)
