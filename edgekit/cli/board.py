"""`edgekit board`: virtual boards."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgekit.cli.session import JsonFlag, output_for, workstation_of
from edgekit.cli.verbs import Verbs, examples

if TYPE_CHECKING:
    from edgekit.cli.output import Output
    from edgekit.host.board.boards import Boards

app = Verbs("Virtual boards: real arm64 Linux in QEMU, for trying recipes and for tests.")
link = Verbs("Pull and plug a board's network cable.")
app.add_typer(link, name="link")

Name = Annotated[str, typer.Option("--name", help="The board.")]


def boards_of(ctx: typer.Context, output: Output) -> Boards:
    """This user's boards."""
    from edgekit.host.workflow import boards

    return boards.boards_of(workstation_of(ctx, output))


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
    from edgekit.host.workflow.boards import BoardOptions, bring_up, bring_up_host
    from edgekit.schema.fleet import HOST

    output = output_for(as_json)
    station = workstation_of(ctx, output)
    if like == HOST:
        device = bring_up_host(name, station)
        output.result(device, f"host: {device.address}, everything below {device.prefix}")
        return
    found = bring_up(BoardOptions(name=name, like=like, seed=seed, fresh=fresh), station)
    output.result(found, f"{found.name}: {found.state} ({found.how}), {found.address}")


@app.command()
@examples("edgekit board down", "edgekit board down --name bench")
def down(ctx: typer.Context, name: Name = "virt", as_json: JsonFlag = False) -> None:
    """End a board and forget it, whatever state it is in."""
    from edgekit.host.workflow.boards import take_down

    output = output_for(as_json)
    take_down(name, workstation_of(ctx, output))
    output.result({"name": name, "state": "down"}, f"{name}: down")


@app.command("list")
@examples("edgekit board list", "edgekit board list --json")
def list_(ctx: typer.Context, as_json: JsonFlag = False) -> None:
    """List boards and how they are: running, paused, hung, dead or damaged."""
    from edgekit.host.workflow.boards import list_boards

    output = output_for(as_json)
    found = list_boards(workstation_of(ctx, output))
    lines = [f"{board.name:12} {board.like:10} {board.state:8} {board.address}" for board in found]
    output.result({"boards": found}, "\n".join(lines) or "no boards")


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
    from edgekit.host.workflow.boards import become_ssh, run_on_board

    output = output_for(as_json)
    station = workstation_of(ctx, output)
    if not as_json:
        become_ssh(name, command or [], station)
    if not command:
        raise InputError("a shell has no JSON", hint="give a command: edgekit board ssh --json -- uname -a")
    done = run_on_board(name, command, station)
    output.result(done)
    raise typer.Exit(done.exit_code)


@app.command()
@examples("edgekit board reset --name bench")
def reset(ctx: typer.Context, name: Name = "virt", as_json: JsonFlag = False) -> None:
    """Press a board's reset button."""
    output = output_for(as_json)
    boards_of(ctx, output).reset(name)
    output.result({"name": name, "state": "reset"}, f"{name}: reset")


@app.command()
@examples("edgekit board power-cut --name bench")
def power_cut(ctx: typer.Context, name: Name = "virt", as_json: JsonFlag = False) -> None:
    """Pull a board's plug; `board up` boots its disk again."""
    output = output_for(as_json)
    boards_of(ctx, output).power_cut(name)
    output.result({"name": name, "state": "dead"}, f"{name}: without power; edgekit board up --name {name}")


@link.command("up")
@examples("edgekit board link up --name bench")
def link_up(ctx: typer.Context, name: Name = "virt", as_json: JsonFlag = False) -> None:
    """Plug a board's network cable in."""
    output = output_for(as_json)
    boards_of(ctx, output).link(name, up=True)
    output.result({"name": name, "link": "up"}, f"{name}: link up")


@link.command("down")
@examples("edgekit board link down --name bench")
def link_down(ctx: typer.Context, name: Name = "virt", as_json: JsonFlag = False) -> None:
    """Pull a board's network cable."""
    output = output_for(as_json)
    boards_of(ctx, output).link(name, up=False)
    output.result({"name": name, "link": "down"}, f"{name}: link down")
