"""Runs one release: reads the plan, proves itself on golden frames, runs the pipeline until it ends or shall stop."""

from __future__ import annotations

from dataclasses import replace

from edgekit.device.runtime.arguments import EXIT_FAILED, GOLDEN, Arguments, GoldenError
from edgekit.device.runtime.engine_memory import load_measured
from edgekit.device.runtime.golden import check_golden
from edgekit.device.runtime.interpreter import settled
from edgekit.device.runtime.order_desk import OrderDesk
from edgekit.device.runtime.pipeline import Pipeline, open_ends
from edgekit.device.runtime.pressure.desk import PressureDesk
from edgekit.device.runtime.pressure.relief import PipelineRelief
from edgekit.device.runtime.python_memory import PythonWatch
from edgekit.device.runtime.reporter import Reporter
from edgekit.device.runtime.reporting import RunningReports
from edgekit.device.runtime.schedule.accelerator import share_accelerators
from edgekit.device.runtime.server.start import model_server
from edgekit.device.runtime.stages.factory import StageFactory
from edgekit.device.runtime.streams import PipelineFigures
from edgekit.device.runtime.tracing import Traced, Tracing
from edgekit.device.runtime.worker_memory import MemoryTeller
from edgekit.errors import InputError
from edgekit.schema.filling import fill_plan
from edgekit.schema.message import from_message
from edgekit.schema.plan import WorkerPlan
from edgekit.schema.report import Report

_LOOK_EVERY_S = 0.25
_HANG_UP_S = 1.0
"""What answers that are on their way have to arrive."""


def run(arguments: Arguments, reporter: Reporter, wake_fd: int) -> int:
    """Run one release until it ends, fails, or shall stop.

    Raises:
        EdgekitError: it cannot be run, or its golden frames differ, or there are none and they are all that is wanted.
    """
    reporter.turn("starting", "reading the plan")
    plan = from_message(WorkerPlan, (arguments.release / "plan.json").read_bytes(), "plan.json")
    plan = only_enabled(fill_plan(plan, arguments.settings, f"settings of {plan.application}"))
    reporter.turn("starting", "loading engines")
    runners, engines = load_measured(plan, arguments.release, arguments.work / "engines")
    accelerators = share_accelerators(plan.engines, runners)
    factory = StageFactory(plan, arguments.release, runners)
    golden = _golden(factory, reporter)
    if arguments.golden_only:
        return _end_here(golden, reporter)
    reporter.turn("starting", "opening sources and sinks")
    figures = PipelineFigures()
    pipeline = Pipeline(factory, open_ends(factory, arguments, figures), figures)
    server = model_server(plan, pipeline, arguments.serve)
    pipeline.start()
    if server is not None:
        server.start()
    python, relief = PythonWatch(), PipelineRelief(pipeline)
    pressure = PressureDesk(relief.rungs(plan), relief.act, figures.pressure)
    traced = Traced(application=plan.application, pipeline=pipeline, accelerators=accelerators, work=arguments.work)
    tracing = Tracing(traced)
    reporter.obey(OrderDesk(python, pressure, tracing.ask).obey)
    reporter.follow(tracing.telling(RunningReports(pipeline, golden, memory=MemoryTeller(engines, python)).make))
    reporter.turn("running")
    with settled(pipeline.is_busy) as collector:
        while reporter.wait(wake_fd, _LOOK_EVERY_S) and not pipeline.ended and pipeline.failure is None:
            collector.look()
    if (failure := pipeline.failure) is not None:
        reporter.fail(failure)
    if server is not None:
        server.drain()  # what waits in line is answered when that closes
    tracing.stop()
    clean = pipeline.stop()
    if server is not None:
        server.close(_HANG_UP_S)
    if failure is not None:
        return EXIT_FAILED
    reporter.turn("stopping", "source ended" if pipeline.ended else "told to stop")
    if clean:
        for runner in runners.values():
            runner.close()
    return 0


def only_enabled(plan: WorkerPlan) -> WorkerPlan:
    """The plan without the sources that this board does not have.

    Raises:
        InputError: it has none of them.
    """
    sources = {name: source for name, source in plan.sources.items() if source.enabled}
    if plan.sources and not sources:
        raise InputError("every source is switched off on this board", hint="set enabled = true for one of them")
    return replace(plan, sources=sources)


def _end_here(golden: str, reporter: Reporter) -> int:
    """Golden frames were all that was wanted: say how they went."""
    if not golden:
        raise InputError("the release has no golden frames", hint="leave out --golden")
    reporter.follow(
        lambda phase, message, uptime_s: Report(phase=phase, message=message, uptime_s=uptime_s, golden=golden)
    )
    reporter.turn("stopping", f"golden frames {golden}")
    return 0


def _golden(factory: StageFactory, reporter: Reporter) -> str:
    golden = factory.plan.golden
    if golden is None:
        return ""
    reporter.turn("golden", f"running {len(golden.frames)} golden frames")
    wrong = check_golden(golden, factory)
    if wrong:
        message = "failed: " + "; ".join(wrong)
        raise GoldenError(
            f"{GOLDEN}{message}", hint="compare model, contract and engine with the recipe's", cause="golden"
        )
    return "passed"
