"""`edgekit`: the verbs, and errors turned into sentences and exit codes."""

from __future__ import annotations

import logging
import os
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

import typer

import edgekit
from edgekit.cli import board, builder, cache, clips, engine, keys, release, settings, target, wheel
from edgekit.cli.applications import remove, start, stop
from edgekit.cli.build import build
from edgekit.cli.clean import secrets_of
from edgekit.cli.colour import colour
from edgekit.cli.demo import demo
from edgekit.cli.deploy import deploy
from edgekit.cli.doctor import doctor
from edgekit.cli.golden import golden
from edgekit.cli.init import init
from edgekit.cli.interrupts import INTERRUPTED, end_on_signals
from edgekit.cli.logs import logs
from edgekit.cli.mem import mem
from edgekit.cli.metrics import metrics
from edgekit.cli.plan import plan
from edgekit.cli.profile import profile
from edgekit.cli.provision import provision
from edgekit.cli.rollback import rollback
from edgekit.cli.run_log import RunLog
from edgekit.cli.schema import schema
from edgekit.cli.session import JsonFlag
from edgekit.cli.status import status
from edgekit.cli.streams import NobodyReads, discard_stdout, prepare_streams, settle_stdout
from edgekit.cli.trace import trace
from edgekit.cli.verbs import Verbs, hand_down_json
from edgekit.cli.view import view
from edgekit.cli.why import why
from edgekit.errors import EdgekitError, InputError, Interrupted
from edgekit.host.settings import Settings, settings_from

if TYPE_CHECKING:
    from edgekit.cli.unusable_path import FailedRun

app = Verbs("Get vision AI onto ARM edge boards and keep it running there.", root=True)
_PIPE_CLOSED = 141
"""A shell's exit code for a program that SIGPIPE ended."""


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
    as_json: JsonFlag = False,
) -> None:
    ctx.obj = ctx.obj or _settings()
    hand_down_json(ctx, as_json)


_VERBS = (build, colour, demo, deploy, doctor, golden, init, logs, mem, metrics, provision, remove, rollback, schema)
for _verb in (*_VERBS, plan, profile, start, status, stop, trace, view, why):
    app.command()(_verb)


app.add_typer(board.app, name="board")
app.add_typer(builder.app, name="builder")
app.add_typer(cache.app, name="cache")
app.add_typer(engine.app, name="engine")
app.add_typer(keys.app, name="keys")
app.add_typer(release.app, name="release")
app.add_typer(settings.app, name="settings")
app.add_typer(clips.app, name="clips")
app.add_typer(target.app, name="target")
app.add_typer(wheel.app, name="wheel")


def _settings() -> Settings:
    return settings_from(os.environ, Path(edgekit.__file__).parent)


class _Run:
    """One command and what becomes of it."""

    def __init__(self, argv: list[str]) -> None:
        self._argv = argv
        self._log: RunLog | None = None
        self._settings: Settings | None = None

    def code(self) -> int:
        """Run the command and give its exit code."""
        try:
            return self._checked()
        except EdgekitError as error:
            return self._fail(error)
        except (KeyboardInterrupt, typer.Abort):
            return self._fail(INTERRUPTED)
        except NobodyReads:
            discard_stdout()
            return _PIPE_CLOSED
        except OSError as error:
            return self._explain(error)
        except Exception as error:
            return self._bug(error)

    def _checked(self) -> int:
        self._settings = _settings()
        self._log = RunLog(self._settings.logs_dir, self._argv, secrets=secrets_of(os.environ))
        logger = logging.getLogger("edgekit")
        logger.setLevel(logging.DEBUG)
        logger.propagate = False
        logger.addHandler(self._log)
        try:
            code = app(self._argv, standalone_mode=False, obj=self._settings)
        except Exception as error:
            message = getattr(error, "format_message", None)
            if message is None:
                raise
            return self._usage(error, message())
        sys.stdout.flush()
        # typer turns Ctrl-C into a silent exit with this code; a verb's own typer.Exit never uses it.
        if code == Interrupted.exit_code:
            raise INTERRUPTED
        return code if isinstance(code, int) else 0

    def _usage(self, error: Exception, message: str) -> int:
        """A command line that cannot be parsed: show the help where it is empty, else what is wrong with it."""
        if type(error).__name__ == "NoArgsIsHelpError":
            print(message, flush=True)
            return 2
        context = getattr(error, "ctx", None)
        command = context.command_path if context else "edgekit"
        return self._fail(InputError(message, hint=f"{command} --help"))

    def _explain(self, error: OSError) -> int:
        from edgekit.cli.os_errors import explain

        found = explain(error, self._failed_run()) if self._settings else None
        if found is None:
            return self._bug(error)
        logging.getLogger("edgekit.traceback").debug("%s", "".join(traceback.format_exception(error)))
        return self._fail(found)

    def _failed_run(self) -> FailedRun:
        from edgekit.cli.unusable_path import FailedRun

        assert self._settings is not None
        return FailedRun(settings=self._settings, argv=self._argv)

    def _bug(self, error: Exception) -> int:
        """What nobody expected: the traceback, in every log there is."""
        text = "".join(traceback.format_exception(error))
        logging.getLogger("edgekit.traceback").error("%s", text)
        sys.stderr.write(text)
        line = traceback.format_exception_only(error)[-1].strip()
        return self._fail(
            EdgekitError(f"this is a bug in edgekit: {line}", hint="report it with the log or the traceback")
        )

    def _fail(self, error: EdgekitError) -> int:
        from edgekit.cli.os_errors import with_cure
        from edgekit.cli.output import Output

        error = with_cure(error, self._failed_run()) if self._settings else error
        log = self._log.path if self._log and self._log.tells_more else None
        options = self._argv[: self._argv.index("--")] if "--" in self._argv else self._argv
        try:
            Output(as_json="--json" in options).error(error, log)
        except (OSError, NobodyReads):  # standard output is what failed
            discard_stdout()
        return error.exit_code


def main() -> None:
    """Run one command; the process's exit code is the errors' own (see `edgekit.errors`)."""
    end_on_signals()
    os.umask(os.umask(0o022) | 0o022)  # what others may write is not used: see host/private.py
    prepare_streams()
    code = _Run(sys.argv[1:]).code()
    settle_stdout()
    sys.exit(code)


if __name__ == "__main__":
    main()
