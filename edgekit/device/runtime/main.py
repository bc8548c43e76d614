"""The worker: reads the plan, proves itself on golden frames, runs the pipeline, reports, stops when told."""

from __future__ import annotations

import argparse
import os
import signal
import socket
import sys
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from edgekit.device.runtime.figures import Outcome
from edgekit.device.runtime.golden import check_golden
from edgekit.device.runtime.parts import Parts, load_runners
from edgekit.device.runtime.pipeline import Pipeline
from edgekit.device.runtime.reporting import Reporter, RunningReports
from edgekit.errors import EdgekitError
from edgekit.schema.message import from_message
from edgekit.schema.plan import WorkerPlan
from edgekit.schema.report import REPORT_FD_VARIABLE

EXIT_FAILED = 3
_REPORT_EVERY_S = 1.0
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
    wanted = _arguments(argv)
    wake_fd = _wake_on_signals()
    fd = environ.get(REPORT_FD_VARIABLE, "")
    reporter = Reporter(int(fd) if fd.isdigit() else None)
    try:
        return _run(wanted, reporter, wake_fd)
    except EdgekitError as error:
        sys.stderr.write(f"error: {error.message}\nhint: {error.hint}\n")
        golden = error.message.removeprefix(_GOLDEN) if isinstance(error, GoldenError) else ""
        reporter.say("failed", error.message, golden)
    except Exception as error:
        traceback.print_exc(file=sys.stderr)
        reporter.say("failed", f"{type(error).__name__}: {error}")
    return EXIT_FAILED


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


def _run(wanted: Arguments, reporter: Reporter, wake_fd: int) -> int:
    reporter.say("starting", "reading the plan")
    plan = from_message(WorkerPlan, (wanted.release / "plan.json").read_bytes(), "plan.json")
    reporter.say("starting", "loading engines")
    parts = Parts(
        plan=plan, release=wanted.release, runners=load_runners(plan, wanted.release, wanted.work / "engines")
    )
    told = _golden(parts, reporter)
    outcome = Outcome()
    pipeline = Pipeline(parts, wanted.work, outcome)
    pipeline.start()
    reports = RunningReports(pipeline.lanes, outcome, told)
    reporter.send(reports.make())
    failure = ""
    while reporter.wait(wake_fd, _REPORT_EVERY_S) and not pipeline.ended and not failure:
        failure = next((lane.failure.message for lane in pipeline.lanes if lane.failure), "")
        reporter.send(reports.make("failed" if failure else "running", failure))
    clean = pipeline.stop()
    if failure:
        return EXIT_FAILED
    reporter.send(reports.make("stopping", "source ended" if pipeline.ended else "told to stop"))
    if clean:
        for runner in parts.runners.values():
            runner.close()
    return 0


def _golden(parts: Parts, reporter: Reporter) -> str:
    golden = parts.plan.golden
    if golden is None:
        return ""
    reporter.say("golden", f"running {len(golden.frames)} golden frames")
    wrong = check_golden(golden, parts)
    if wrong:
        told = "failed: " + "; ".join(wrong)
        raise GoldenError(f"{_GOLDEN}{told}", hint="compare model, contract and engine with the recipe's")
    return "passed"


def run_and_exit() -> None:
    """Run, then leave at once: a lane that hangs in foreign code must not keep the process."""
    code = main(sys.argv[1:], os.environ)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
