"""The worker's process: reports from its first moment on, then loads everything else and runs the release."""

from __future__ import annotations

import argparse
import logging
import os
import signal
import socket
import sys
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from edgekit.device.runtime.arguments import EXIT_FAILED, GOLDEN, Arguments, GoldenError
from edgekit.device.runtime.reporter import Reporter
from edgekit.device.runtime.small_pages import use_small_pages
from edgekit.errors import EdgekitError
from edgekit.schema.board import PREVIEW_FD_VARIABLE, SERVE_FD_VARIABLE
from edgekit.schema.message import from_message
from edgekit.schema.report import REPORT_FD_VARIABLE
from edgekit.schema.settings import MAX_SETTINGS_BYTES, SETTINGS_FD_VARIABLE, BoardSettings


def main(argv: Sequence[str], environ: Mapping[str, str]) -> int:
    """Be the worker; the exit code is 0 after a clean stop, 3 after a failure that was reported."""
    arguments = replace(
        _arguments(argv),
        settings=_settings(environ.get(SETTINGS_FD_VARIABLE, "")),
        preview=_listener(environ.get(PREVIEW_FD_VARIABLE, "")),
        serve=_listener(environ.get(SERVE_FD_VARIABLE, "")),
    )
    wake_fd = _wake_on_signals()
    logging.basicConfig(level=logging.INFO, format="%(name)s: %(message)s", stream=sys.stderr)
    fd = environ.get(REPORT_FD_VARIABLE, "")
    reporter = Reporter(int(fd) if fd.isdigit() else None)
    reporter.start()
    reporter.turn("starting", "loading libraries")
    try:
        # After the first report: numpy, OpenCV and PyAV take seconds on a small board.
        from edgekit.device.runtime.run import run  # noqa: PLC0415

        return run(arguments, reporter, wake_fd)
    except EdgekitError as error:
        sys.stderr.write(f"error: {error.message}\nhint: {error.hint}\n")
        golden = error.message.removeprefix(GOLDEN) if isinstance(error, GoldenError) else ""
        reporter.fail(error, golden=golden)
    except (Exception, SystemExit) as error:  # a recipe's own code may call sys.exit while a stage is made
        traceback.print_exc(file=sys.stderr)
        reporter.fail(error)
    finally:
        reporter.stop()
    return EXIT_FAILED


def _settings(fd: str) -> Mapping[str, object]:
    """What the keeper gives, once. Nothing of it stays where another process could read it again."""
    if not fd.isdigit():
        return {}
    with os.fdopen(int(fd), "rb") as given:
        content = given.read(MAX_SETTINGS_BYTES + 1)
    return from_message(BoardSettings, content, "settings").values if content else {}


def _listener(fd: str) -> socket.socket | None:
    return socket.socket(fileno=int(fd)) if fd.isdigit() else None


def _arguments(argv: Sequence[str]) -> Arguments:
    parser = argparse.ArgumentParser(prog="edgekit-worker")
    parser.add_argument("--release", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--golden", action="store_true", help="run golden frames, and end")
    found = parser.parse_args(argv)
    return Arguments(release=found.release, work=found.work, golden_only=found.golden)


def _wake_on_signals() -> int:
    """SIGTERM and SIGINT make this descriptor readable; nothing else happens in a handler."""
    reader, writer = socket.socketpair()
    for end in (reader, writer):
        end.setblocking(False)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: None)
    signal.set_wakeup_fd(writer.detach())
    return reader.detach()


def run_and_exit() -> None:
    """Run, then leave at once: a lane that hangs in foreign code must not keep the process."""
    use_small_pages()
    code = main(sys.argv[1:], os.environ)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
