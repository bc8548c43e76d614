"""Python's allocations are watched when asked, bounded, and no longer than asked."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from edgekit.device.runtime.python_memory import PythonWatch
from edgekit.schema.memory import PythonMemory
from edgekit.schema.order import PythonQuestion
from tests.fakes.clock import Clock
from tests.fakes.eventually import eventually


def answered(watch: PythonWatch, number: int) -> PythonMemory:
    return eventually(lambda: watch.answer if watch.answer and watch.answer.number == number else None)  # type: ignore[return-value]


def hoarding(clock: Clock, kept: list[object], each: int) -> PythonWatch:
    """A watch during whose waits something is allocated and kept."""

    def wait(seconds: float) -> None:
        clock.advance(seconds)
        kept.append(np.zeros(each, np.uint8))

    return PythonWatch(clock, wait)


def test_the_line_that_keeps_memory_is_named_first() -> None:
    clock, kept = Clock(), list[object]()
    watch = hoarding(clock, kept, 1 << 20)
    watch.ask(PythonQuestion(number=7, seconds=1.0, sites=3))
    found = answered(watch, 7)
    assert found.sites[0].file == __file__ and found.sites[0].bytes >= len(kept) << 20 == 4 << 20
    assert len(found.sites) <= 3 and found.bytes >= sum(site.bytes for site in found.sites)
    assert (found.seconds, found.trouble) == (1.0, "")
    assert not tracemalloc.is_tracing(), "it costs nothing any more"


def test_no_more_lines_than_asked_for() -> None:
    watch = hoarding(Clock(), [], 1000)
    watch.ask(PythonQuestion(number=1, seconds=1.0, sites=1))
    assert len(answered(watch, 1).sites) == 1


def test_notes_that_grow_too_large_end_it_early() -> None:
    clock, kept = Clock(), list[object]()

    def wait(seconds: float) -> None:
        clock.advance(seconds)
        kept.extend([object() for _ in range(5000)])

    watch = PythonWatch(clock, wait, most_trace_bytes=1 << 16)
    watch.ask(PythonQuestion(number=1, seconds=300.0, sites=2))
    found = answered(watch, 1)
    assert found.seconds < 300 and "stopped early" in found.trouble and found.sites


def test_a_second_question_is_refused_in_words_and_the_first_one_answered() -> None:
    clock = Clock()
    refused: list[PythonMemory | None] = []

    def wait(seconds: float) -> None:
        clock.advance(seconds)
        if not refused:
            watch.ask(PythonQuestion(number=2, seconds=1.0, sites=2))
            refused.append(watch.answer)

    watch = PythonWatch(clock, wait)
    watch.ask(PythonQuestion(number=1, seconds=1.0, sites=2))
    assert answered(watch, 1).trouble == ""
    assert refused[0] is not None and refused[0].number == 2 and "another question" in refused[0].trouble


def test_an_application_that_traces_itself_is_left_alone() -> None:
    watch = PythonWatch(Clock())
    tracemalloc.start()
    try:
        watch.ask(PythonQuestion(number=1, seconds=1.0, sites=2))
        assert "traces its allocations itself" in answered(watch, 1).trouble
        assert tracemalloc.is_tracing()
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("length", [10, 1000])
def test_paths_of_any_length_fit_the_answer(length: int) -> None:
    kept: list[object] = []
    clock, code = Clock(), compile("kept.append(bytearray(1 << 20))", "/" + "x" * length + "/y.py", "exec")

    def wait(seconds: float) -> None:
        clock.advance(seconds)
        exec(code, {"kept": kept})

    watch = PythonWatch(clock, wait)
    watch.ask(PythonQuestion(number=1, seconds=0.5, sites=1))
    file = answered(watch, 1).sites[0].file
    assert file.endswith("/y.py") and len(file) <= 300
