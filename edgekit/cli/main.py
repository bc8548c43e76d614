"""`edgekit`: the verbs, and errors turned into sentences and exit codes."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import typer

import edgekit
from edgekit.errors import EdgekitError, Interrupted
from edgekit.host.settings import settings_from

app = typer.Typer(
    name="edgekit",
    help="Get vision AI onto ARM edge boards and keep it running there.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
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


def _fail(error: EdgekitError) -> int:
    from edgekit.cli.output import Output

    Output(as_json="--json" in sys.argv).error(error)
    return error.exit_code


def main() -> None:
    """Run one command; the process's exit code is the errors' own (see `edgekit.errors`)."""
    try:
        app(standalone_mode=False)
        code = 0
    except EdgekitError as error:
        code = _fail(error)
    except KeyboardInterrupt:
        code = _fail(Interrupted("interrupted", hint="run the same command again: it goes on where it can"))
    sys.exit(code)


if __name__ == "__main__":
    main()
