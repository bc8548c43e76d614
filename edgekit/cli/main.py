"""`edgekit`: the verbs, and errors turned into sentences and exit codes."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import typer

import edgekit
from edgekit.cli import board, engine, keys, target, wheel
from edgekit.cli.build import build
from edgekit.cli.demo import demo
from edgekit.cli.deploy import deploy
from edgekit.cli.doctor import doctor
from edgekit.cli.golden import golden
from edgekit.cli.init import init
from edgekit.cli.logs import logs
from edgekit.cli.metrics import metrics
from edgekit.cli.provision import provision
from edgekit.cli.rollback import rollback
from edgekit.cli.schema import schema
from edgekit.cli.status import status
from edgekit.errors import EdgekitError, InputError, Interrupted
from edgekit.host.settings import settings_from

app = typer.Typer(
    name="edgekit",
    help="Get vision AI onto ARM edge boards and keep it running there.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"], "terminal_width": 100},
)


def _version(wanted: bool) -> None:
    if wanted:
        print(f"edgekit {edgekit.__version__}")
        raise typer.Exit


@app.callback()
def _root(
    ctx: typer.Context,
    version: bool = typer.Option(  # noqa: ARG001
        False, "--version", callback=_version, is_eager=True, help="Print the version."
    ),
) -> None:
    ctx.obj = settings_from(os.environ, Path(edgekit.__file__).parent)


for _verb in (build, demo, deploy, doctor, golden, init, logs, metrics, provision, rollback, schema, status):
    app.command()(_verb)


app.add_typer(board.app, name="board")
app.add_typer(engine.app, name="engine")
app.add_typer(keys.app, name="keys")
app.add_typer(target.app, name="target")
app.add_typer(wheel.app, name="wheel")


def _fail(error: EdgekitError) -> int:
    from edgekit.cli.output import Output

    Output(as_json="--json" in sys.argv).error(error)
    return error.exit_code


def _interrupted() -> int:
    return _fail(Interrupted("interrupted", hint="run the same command again: it goes on where it can"))


def _run() -> int:
    """Run one command and give its exit code."""
    try:
        code = app(standalone_mode=False)
    except EdgekitError as error:
        return _fail(error)
    except (KeyboardInterrupt, typer.Abort):
        return _interrupted()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except Exception as error:
        told = getattr(error, "format_message", None)
        if told is None:
            raise
        if type(error).__name__ == "NoArgsIsHelpError":
            print(told())
            return 2
        return _fail(InputError(told(), hint=f"{_asked(error)} --help"))
    # typer turns Ctrl-C into a silent exit with this code; a verb's own typer.Exit never uses it.
    return _interrupted() if code == Interrupted.exit_code else code if isinstance(code, int) else 0


def _asked(error: Exception) -> str:
    """The command that a usage error belongs to: `edgekit board up`."""
    context = getattr(error, "ctx", None)
    return context.command_path if context else "edgekit"


def main() -> None:
    """Run one command; the process's exit code is the errors' own (see `edgekit.errors`).

    Being told to end (a CI job that is cancelled, a terminal that closes) is Ctrl-C by another name: programs that were
    started end too. What is ignored from the start (`nohup`, a background job) stays ignored.
    """
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) == signal.SIG_DFL:
            signal.signal(number, signal.default_int_handler)
    sys.exit(_run())


if __name__ == "__main__":
    main()
