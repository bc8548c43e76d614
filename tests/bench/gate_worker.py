"""A worker of gate-watch that tells every latency when it ends: its reports have those of the last seconds alone.

    python -I -c BOOT SITE gate_worker.py RELEASE WORK SECONDS worker|python < SETTINGS

All is the release's own, but for what counts frames at the sinks, and with `python` for who collects garbage. Counting
begins a while after the last camera came.
"""

from __future__ import annotations

import cmath
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

WARM_S, PATIENCE_S = 3.0, 120.0
KEY_EVERY, PERIOD_S = 10, 0.1
"""A gate's camera begins with a key picture, and each tenth is one; between two of its pictures."""


def phase(captured_s: list[float]) -> float:
    """When key pictures come, in times between two pictures: the mean on a circle."""
    turns = [cmath.exp(2j * cmath.pi * one / (KEY_EVERY * PERIOD_S)) for one in captured_s]
    return cmath.phase(sum(turns)) / (2 * cmath.pi) % 1.0 * KEY_EVERY


@contextmanager
def collected_by_python(_is_busy: Callable[[], bool]) -> Iterator[None]:
    """The same interval between threads as `settled` has, and nothing else of it."""
    from edgekit.device.runtime.interpreter import SWITCH_S

    sys.setswitchinterval(SWITCH_S)
    yield None


def main() -> None:
    release, work, seconds = Path(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3])
    settings = json.load(sys.stdin)
    from edgekit.device.runtime.arguments import Arguments
    from edgekit.device.runtime.golden import check_golden
    from edgekit.device.runtime.interpreter import settled
    from edgekit.device.runtime.pipeline import Pipeline, open_ends
    from edgekit.device.runtime.profiling.samples import ArrivalFigures
    from edgekit.device.runtime.reporting import RunningReports
    from edgekit.device.runtime.run import only_enabled
    from edgekit.device.runtime.stages.factory import StageFactory, load_runners
    from edgekit.schema.filling import fill_plan
    from edgekit.schema.message import from_message, to_line
    from edgekit.schema.plan import WorkerPlan
    from edgekit.stage import Frame

    captured: dict[str, list[float]] = {}

    class Figures(ArrivalFigures):
        """Also keeps when key pictures were captured."""

        def arrive(self, frame: Frame) -> None:
            if not frame.sequence % KEY_EVERY:
                captured.setdefault(frame.stream, []).append(frame.captured_s)
            super().arrive(frame)

    plan = from_message(WorkerPlan, (release / "plan.json").read_bytes(), "plan.json")
    plan = only_enabled(fill_plan(plan, settings, "the settings"))
    factory = StageFactory(plan, release, load_runners(plan, release, work / "engines"))
    assert plan.golden is not None
    assert not check_golden(plan.golden, factory)
    figures = Figures()
    pipeline = Pipeline(factory, open_ends(factory, Arguments(release=release, work=work), figures), figures)
    pipeline.start()
    reports, began_s, live_s = RunningReports(pipeline, ""), time.monotonic(), 0.0
    with (settled if sys.argv[4] == "worker" else collected_by_python)(pipeline.is_busy) as collector:
        while not live_s or time.monotonic() - live_s < WARM_S + seconds:
            to_line(reports.make())
            if not live_s and all(stream.state == "live" for stream in figures.streams.values()):
                live_s = time.monotonic()
            if live_s and time.monotonic() - live_s < WARM_S:
                figures.latencies_s.clear()
                counted_s = time.monotonic()
                before = {name: stream.frames for name, stream in figures.streams.items()}
            assert live_s or time.monotonic() - began_s < PATIENCE_S, "cameras did not come"
            for _ in range(4):  # as often as a worker looks
                time.sleep(0.25)
                if collector is not None:
                    collector.look()
    passed_s = time.monotonic() - counted_s
    fps = {name: (stream.frames - before[name]) / passed_s for name, stream in figures.streams.items()}
    answer = {
        "latencies_ms": [round(one * 1000, 3) for one in list(figures.latencies_s)],  # in one step: frames still come
        "fps": fps,
        "phases": [phase(captured[name]) for name in plan.sources],
        "leases": {feed.leases.stream: feed.leases.held for feed in pipeline.feeds},
    }
    print(json.dumps(answer), flush=True)
    os._exit(0)


main()
