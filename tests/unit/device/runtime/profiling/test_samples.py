"""Every call is kept with its wall and CPU time, and put into words."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgekit.device.runtime.profiling.resident import CpuWait, cpu_by_thread, resident
from edgekit.device.runtime.profiling.samples import ArrivalFigures, Sample, SampledFigures, cost_of
from edgekit.schema.profile import SHARES
from tests.fakes.clock import Clock
from tests.fakes.frames import frame, stream_info


def test_a_call_is_kept_with_what_it_took_of_both_clocks() -> None:
    wall, cpu = Clock(), Clock()
    figures = SampledFigures("lane", wall, cpu)
    for seconds in (0.2, 0.4):
        figures.begin("see")
        wall.advance(seconds)
        cpu.advance(seconds / 4)
        figures.end()
    assert [(round(one.wall_s, 6), round(one.cpu_s, 6)) for one in figures.samples["see"]] == [(0.2, 0.05), (0.4, 0.1)]
    assert figures.busy_s == pytest.approx(0.6), "the usual figures go on"
    figures.end()
    assert len(figures.samples["see"]) == 2, "nothing was begun"


def test_what_is_no_cpu_time_is_an_accelerator_s_only_where_there_is_one() -> None:
    samples = [Sample(0.010 + k / 1e5, 0.004) for k in range(101)]
    waits, neighbours = cost_of(samples, waits=True), cost_of(samples, waits=False)
    assert waits.wait_ms == pytest.approx(6.5) and neighbours.wait_ms == 0
    assert waits.count == 101 and waits.p50_ms == pytest.approx(10.5) and waits.p95_ms == pytest.approx(10.95)
    assert waits.cpu_p95_ms == 4 and waits.spread_ms == (4.0,) * len(SHARES)


def test_what_is_neither_computing_nor_waiting_for_a_cpu_is_a_pause() -> None:
    wall, cpu, queued = Clock(), Clock(), Clock()
    figures = SampledFigures("lane", wall, cpu, queued)
    figures.begin("see")
    wall.advance(0.010)
    cpu.advance(0.004)
    queued.advance(0.001)
    figures.end()
    (sample,) = figures.samples["see"]
    assert sample.pause_s == pytest.approx(0.005)
    assert cost_of([sample], waits=False).pause_ms == (pytest.approx(5.0),) * len(SHARES)
    assert cost_of([sample], waits=True).pause_ms == (0.0,) * len(SHARES), "an accelerator's time is `wait_ms`"
    assert Sample(0.010, 0.004).pause_s == 0, "a kernel that does not tell"


def test_calls_that_overlap_have_met_whoever_began_first() -> None:
    clock, company = Clock(), list[SampledFigures]()
    first, second = (SampledFigures(name, clock, clock, clock, company) for name in ("detect", "follow"))
    first.begin("alone")
    first.end()
    first.begin("long")
    second.begin("within")
    second.end()
    first.end()
    second.begin("after")
    second.end()
    found = {stage: some[0].met for one in company for stage, some in one.samples.items()}
    assert found == {"alone": False, "long": True, "within": True, "after": False}


def test_a_call_knows_what_its_thread_waited_for_a_cpu_before_it_and_who_was_at_work_when_it_began() -> None:
    clock, queued, company = Clock(), Clock(), list[SampledFigures]()
    first, second = (SampledFigures(name, clock, clock, queued, company) for name in ("detect", "follow"))
    first.begin("see")
    first.end()
    queued.advance(0.002)
    second.begin("follow")
    first.begin("see")
    queued.advance(0.001)  # inside
    first.end()
    alone, beside = first.samples["see"]
    assert (alone.before_s, alone.beside) == (0, False)
    assert (beside.before_s, beside.beside) == (pytest.approx(0.002), True)
    silent = SampledFigures("silent", clock, clock, lambda: None)
    for _ in range(2):
        silent.begin("see")
        silent.end()
    assert [one.before_s for one in silent.samples["see"]] == [0, 0], "a kernel that does not tell"


def test_a_thread_that_waits_for_its_cpu_is_told_of_by_the_kernel(tmp_path: Path) -> None:
    waited = CpuWait()
    assert (before := waited()) is not None and (after := waited()) is not None and after >= before >= 0
    assert CpuWait(tmp_path)() is None


def test_latencies_are_kept_once_for_each_frame() -> None:
    clock = Clock()
    figures = ArrivalFigures(clock)
    figures.add("a", stream_info("a"))
    first = frame(0, "a")
    clock.advance(first.captured_s + 0.25 - clock())
    figures.arrive(first)
    clock.advance(1.0)
    figures.arrive(first)
    assert list(figures.latencies_s) == [pytest.approx(0.25)] and figures.frames == 1


def test_this_process_has_memory_and_a_thread_that_has_worked() -> None:
    assert resident().own_bytes > 1 << 20 and resident().file_bytes > 1 << 20
    assert max(cpu_by_thread().values()) > 0


def test_a_kernel_that_does_not_tell_is_no_fault(tmp_path: Path) -> None:
    assert resident(tmp_path).own_bytes == 0 and cpu_by_thread(tmp_path) == {}
