"""Cyclic garbage is collected between frames, by the thread that waits for orders, and it is collected."""

from __future__ import annotations

import gc
import itertools
import sys
import threading
import weakref
from collections.abc import Iterator

import pytest

from edgekit.device.runtime.interpreter import ALL_EVERY_S, SWITCH_S, YOUNG_EVERY_S, Collector, settled
from edgekit.stage import Frame
from tests.fakes.clock import Clock
from tests.fakes.eventually import eventually
from tests.fakes.frames import frame
from tests.fakes.pipelines import FakeSink, FakeSource, fake_pipeline


class Looped:
    """Holds itself: counting references never frees it."""

    def __init__(self) -> None:
        self.itself = self


@pytest.fixture
def collected() -> Iterator[list[str]]:
    """Names of the threads in which Python has collected."""
    threads: list[str] = []

    def note(phase: str, _info: object) -> None:
        if phase == "start":
            threads.append(threading.current_thread().name)

    gc.callbacks.append(note)
    yield threads
    gc.callbacks.remove(note)


def test_lanes_that_make_garbage_never_collect_it_and_it_is_freed(collected: list[str]) -> None:
    alive: list[weakref.ref[Looped]] = []

    def litter(frame: Frame) -> Frame:
        made = [Looped() for _ in range(1000)]  # Python's own threshold is 700
        alive.append(weakref.ref(made[0]))
        return frame

    frames = [frame(number, "a") for number in range(50)]
    pipeline = fake_pipeline([FakeSource("a", entries=frames)], {"out": FakeSink()}, {"litter": litter})
    with settled(pipeline.is_busy) as collector:
        collected.clear()
        pipeline.start()
        eventually(lambda: pipeline.ended)
        assert collected == [] and all(one() is not None for one in alive[:50])
        collector.look()  # there is much of it, and no lane is at work
        assert set(collected) == {threading.current_thread().name}
        assert all(one() is None for one in alive) and len(alive) == 50
    pipeline.stop()


def test_what_was_there_before_is_not_looked_at_and_all_is_as_before_at_the_end() -> None:
    before_s, frozen = sys.getswitchinterval(), gc.get_freeze_count()
    with settled(lambda: False):
        assert not gc.isenabled() and gc.get_freeze_count() > frozen + 1000
        assert sys.getswitchinterval() == pytest.approx(SWITCH_S)
    assert gc.isenabled() and gc.get_freeze_count() <= frozen and sys.getswitchinterval() == pytest.approx(before_s)


def test_a_collection_waits_for_a_moment_without_work_but_not_for_ever() -> None:
    clock, busy, ran = Clock(), [True], list[int]()
    gc.collect()
    collector = Collector(lambda: busy[0], clock, ran.append)
    collector.look()
    clock.advance(YOUNG_EVERY_S)
    collector.look()
    assert ran == [], "a lane is at work"
    busy[0] = False
    collector.look()
    assert ran == [1]
    busy[0] = True
    clock.advance(YOUNG_EVERY_S + 1.9)
    collector.look()
    assert ran == [1]
    clock.advance(0.2)
    collector.look()
    assert ran == [1, 1], "late rather than never"
    busy[0] = False
    clock.advance(ALL_EVERY_S)
    collector.look()
    assert ran[-1] == 2


def test_what_takes_long_is_done_seldom() -> None:
    clock, ran = Clock(), list[float]()

    def slow(generation: int) -> None:
        if generation == 2:
            ran.append(clock())
            clock.advance(0.5)

    collector = Collector(lambda: False, clock, slow)
    for _ in range(2000):
        clock.advance(0.25)
        collector.look()
    assert len(ran) >= 2 and min(late - early for early, late in itertools.pairwise(ran)) >= 50, (
        "half a second each fifty: one in a hundred"
    )
