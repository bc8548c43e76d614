"""The worker: reads the plan, proves itself on golden frames, runs the pipeline, reports, stops when told."""

from __future__ import annotations

import argparse
import logging
import os
import signal
import socket
import sys
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from edgekit.device.runtime.golden import check_golden
from edgekit.device.runtime.pipeline import Pipeline, open_ends
from edgekit.device.runtime.reporter import Reporter
from edgekit.device.runtime.reporting import RunningReports
from edgekit.device.runtime.stages.factory import StageFactory, load_runners
from edgekit.device.runtime.streams import PipelineFigures
from edgekit.errors import EdgekitError
from edgekit.schema.message import from_message
from edgekit.schema.plan import WorkerPlan
from edgekit.schema.report import REPORT_FD_VARIABLE

EXIT_FAILED = 3
_LOOK_EVERY_S = 0.25
_GOLDEN = "golden frames "


class GoldenError(EdgekitError):
    """Golden frames gave other answers than they must; reported as such."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Arguments:
    """The worker's command line."""

    release: Path
    work: Path


def main(argv: Sequence[str], environ: Mapping[str, str]) -> int:
    """Be the worker; the exit code is 0 after a clean stop, 3 after a failure that was reported."""
    arguments = _arguments(argv)
    wake_fd = _wake_on_signals()
    logging.basicConfig(level=logging.INFO, format="%(name)s: %(message)s", stream=sys.stderr)
    fd = environ.get(REPORT_FD_VARIABLE, "")
    reporter = Reporter(int(fd) if fd.isdigit() else None)
    reporter.start()
    try:
        return run(arguments, reporter, wake_fd)
    except EdgekitError as error:
        sys.stderr.write(f"error: {error.message}\nhint: {error.hint}\n")
        golden = error.message.removeprefix(_GOLDEN) if isinstance(error, GoldenError) else ""
        reporter.turn("failed", error.message, golden=golden)
    except Exception as error:
        traceback.print_exc(file=sys.stderr)
        reporter.turn("failed", f"{type(error).__name__}: {error}")
    finally:
        reporter.stop()
    return EXIT_FAILED


def run(arguments: Arguments, reporter: Reporter, wake_fd: int) -> int:
    """Run one release until it ends, fails, or shall stop.

    Raises:
        EdgekitError: it cannot be run, or its golden frames differ.
    """
    reporter.turn("starting", "reading the plan")
    plan = from_message(WorkerPlan, (arguments.release / "plan.json").read_bytes(), "plan.json")
    reporter.turn("starting", "loading engines")
    runners = load_runners(plan, arguments.release, arguments.work / "engines")
    factory = StageFactory(plan, arguments.release, runners)
    golden = _golden(factory, reporter)
    reporter.turn("starting", "opening sources and sinks")
    figures = PipelineFigures()
    pipeline = Pipeline(factory, open_ends(factory, arguments.work, figures), figures)
    pipeline.start()
    reporter.follow(RunningReports(pipeline, golden).make)
    reporter.turn("running")
    while reporter.wait(wake_fd, _LOOK_EVERY_S) and not pipeline.ended and pipeline.failure is None:
        pass
    if (failure := pipeline.failure) is not None:
        reporter.turn("failed", failure.message)
    clean = pipeline.stop()
    if failure is not None:
        return EXIT_FAILED
    reporter.turn("stopping", "source ended" if pipeline.ended else "told to stop")
    if clean:
        for runner in runners.values():
            runner.close()
    return 0


def _arguments(argv: Sequence[str]) -> Arguments:
    parser = argparse.ArgumentParser(prog="edgekit-worker")
    parser.add_argument("--release", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    found = parser.parse_args(argv)
    return Arguments(release=found.release, work=found.work)


def _wake_on_signals() -> int:
    """SIGTERM and SIGINT make this descriptor readable; nothing else happens in a handler."""
    reader, writer = socket.socketpair()
    for end in (reader, writer):
        end.setblocking(False)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: None)
    signal.set_wakeup_fd(writer.detach())
    return reader.detach()


def _golden(factory: StageFactory, reporter: Reporter) -> str:
    golden = factory.plan.golden
    if golden is None:
        return ""
    reporter.turn("golden", f"running {len(golden.frames)} golden frames")
    wrong = check_golden(golden, factory)
    if wrong:
        message = "failed: " + "; ".join(wrong)
        raise GoldenError(f"{_GOLDEN}{message}", hint="compare model, contract and engine with the recipe's")
    return "passed"


def run_and_exit() -> None:
    """Run, then leave at once: a lane that hangs in foreign code must not keep the process."""
    code = main(sys.argv[1:], os.environ)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
