"""Lanes without threads, on a virtual clock: what a lane does with frames, events, errors and full lines."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from edgekit.device.runtime.figures import LaneFigures
from edgekit.device.runtime.frames.stream import Entry, StreamEnded, StreamEvent, StreamGap, StreamRestarted
from edgekit.device.runtime.schedule.decide import Asking, StreamRule
from edgekit.device.runtime.schedule.lanes import Crew, Lane
from edgekit.device.runtime.schedule.scheduler import Scheduler
from edgekit.device.runtime.schedule.steps import FrameFailed
from edgekit.schema.plan import LanePlan
from edgekit.stage import Frame
from tests.fakes.clock import Clock
from tests.fakes.eventually import PATIENCE_S, eventually
from tests.fakes.frames import frame, stream_info


class FakeStep:
    """Does what a test says, and remembers what it has seen."""

    def __init__(self, name: str, act: Callable[[Frame], Frame | None] = lambda frame: frame) -> None:
        self.name, self.act = name, act
        self.seen: list[object] = []
        self.closed = False

    def frame(self, frame: Frame) -> Frame | None:
        self.seen.append(f"{frame.stream}{frame.sequence}")
        return self.act(frame)

    def event(self, event: StreamEvent) -> None:
        self.seen.append(event)

    def close(self) -> None:
        self.closed = True


def lane(*steps: FakeStep, clock: Clock | None = None, queue: int = 4, drop: Any = "block", **more: Any) -> Lane:
    clock = clock or Clock()
    return Lane(
        name="follow",
        plan=LanePlan(cpus=(), queue=queue, drop=drop),
        streams=frozenset(more.pop("streams", ("a",))),
        crews=(Crew(steps=steps, figures=LaneFigures("follow", clock)),),
        clock=clock,
        **more,
    )


def put(made: Lane, *entries: Entry) -> None:
    for entry in entries:
        made.queues.put(entry)


def run(*lanes: Lane) -> None:
    while sum(one.turn() for one in lanes):
        pass


END = StreamEnded(stream="a", reason="")


def test_frames_and_events_pass_the_steps_in_order() -> None:
    one, other = FakeStep("one"), FakeStep("other")
    made = lane(one, other)
    put(made, frame(0, "a"), StreamGap(stream="a", missing=2), frame(3, "a"))
    run(made)
    assert one.seen == other.seen == ["a0", StreamGap(stream="a", missing=2), "a3"]
    assert not made.turn()


def test_a_frame_that_a_stage_ends_is_counted_and_goes_no_further() -> None:
    one, other = FakeStep("one", lambda frame: frame if frame.sequence % 2 else None), FakeStep("other")
    made = lane(one, other)
    put(made, *(frame(number, "a") for number in range(4)))
    run(made)
    assert other.seen == ["a1", "a3"]
    assert made.crews[0].figures.drops == {("a", "one", "stage"): 2}


def test_a_stage_that_fails_costs_one_frame_and_is_told() -> None:
    def fail(frame: Frame) -> Frame:
        if frame.sequence == 1:
            raise FrameFailed("one")
        return frame

    failed: list[str] = []
    one, other = FakeStep("one", fail), FakeStep("other")
    made = lane(one, other, failed=failed.append)
    put(made, *(frame(number, "a") for number in range(3)))
    run(made)
    assert other.seen == ["a0", "a2"]
    assert made.crews[0].figures.drops == {("a", "one", "error"): 1} and failed == ["a"]
    assert made.crews[0].figures.call is None


def started(width_px: int = 16) -> StreamRestarted:
    info = stream_info("a")
    spec = replace(info.spec, width_px=width_px)
    return StreamRestarted(info=replace(info, spec=spec), again="reconnect", reason="")


def size_of(entry: StreamRestarted) -> tuple[int, int]:
    return (entry.info.spec.width_px, entry.info.spec.height_px)


def test_a_frame_that_its_planned_cost_makes_late_is_dropped_before_anything_was_measured() -> None:
    clock, rules, start = Clock(), {"a": StreamRule(deadline_s=0.05)}, started()
    step = FakeStep("see", lambda frame: clock.advance(0.04) or frame)  # type: ignore[func-returns-value]
    planned = lane(step, clock=clock, rules=rules, expected_s={size_of(start): 0.04})
    put(planned, start)
    run(planned)
    put(planned, frame(0, "a", captured_s=clock() - 0.02))
    run(planned)
    assert step.seen == [start] and planned.queues.drops() == {("a", "deadline"): 1}


def test_pictures_of_another_size_are_tried_and_what_was_measured_counts_more_than_the_plan() -> None:
    clock, rules, start = Clock(), {"a": StreamRule(deadline_s=0.05)}, started()
    for expected_s in ({size_of(start): 0.04}, {(99, 99): 0.04}):
        step = FakeStep("see", lambda frame: clock.advance(0.001) or frame)  # type: ignore[func-returns-value]
        made = lane(step, clock=clock, rules=rules, expected_s=expected_s)
        put(made, start)
        run(made)
        known = made.scheduler.cost_s("a", clock())
        assert known == expected_s.get(size_of(start), 0.0)
        for number in range(72):
            put(made, frame(number, "a", captured_s=clock()))
            run(made)
        assert made.scheduler.cost_s("a", clock()) == pytest.approx(0.001), "the plan was one sample among 64"
        put(made, start)
        run(made)
        assert made.scheduler.cost_s("a", clock()) == pytest.approx(0.001), "a camera that is back was measured"


def test_time_in_stages_is_counted_also_where_they_fail() -> None:
    clock = Clock()

    def slow(frame: Frame) -> Frame:
        clock.advance(0.25)
        if frame.sequence:
            raise FrameFailed("slow")
        return frame

    made = lane(FakeStep("slow", slow), clock=clock)
    put(made, frame(0, "a"), frame(1, "a"))
    run(made)
    assert made.crews[0].figures.busy_s == 0.5 and made.crews[0].figures.stages["slow"].sum_s == 0.5


def test_entries_go_to_every_lane_that_follows() -> None:
    first, left, right = lane(), lane(step := FakeStep("left")), lane(other := FakeStep("right"))
    first.lead_to(left, right)
    put(first, frame(0, "a"), END)
    run(first, left, right)
    assert step.seen == other.seen == ["a0", END]


def test_a_lane_reads_the_clock_only_where_a_decision_needs_it() -> None:
    counted = [0]

    def read() -> float:
        counted[0] += 1
        return 0.0

    step = FakeStep("count")
    for streams, expected in ((("a",), 0), (("a", "b"), 4)):
        made = lane(step, streams=streams)
        made.clock = made.queues.clock = read
        counted[0] = 0
        put(made, frame(0, "a"))
        run(made)
        assert counted[0] == expected, streams


def test_what_follows_is_asked_about_streams_with_deadlines_alone() -> None:
    asked = list[str]()

    def rest(stream: str, _now_s: float) -> float:
        asked.append(stream)
        return 0.0

    scheduler = Scheduler({"a": StreamRule(), "b": StreamRule(deadline_s=1.0)}, rest=rest)
    both = [Asking(name, number, 0.0, 0.0, 0.0) for number, name in enumerate("ab")]
    assert scheduler.decide(both, 0.0) is not None and asked == ["b"]


def test_it_ends_with_its_last_stream() -> None:
    made = lane(streams=("a", "b"))
    put(made, END)
    run(made)
    assert not made.ended.is_set()
    put(made, frame(0, "b"), StreamEnded(stream="b", reason=""))
    run(made)
    assert made.ended.is_set()


def test_a_full_line_of_one_stream_holds_up_that_stream_alone() -> None:
    """The lane behind works on no frame of `a`; `b` goes past, and nothing is dropped."""
    first, behind = lane(streams=("a", "b")), lane(step := FakeStep("s"), queue=1, streams=("a", "b"))
    first.lead_to(behind)
    put(first, frame(0, "a"), frame(1, "a"), frame(0, "b"))
    run(first)
    assert len(first.queues) == 1 and len(behind.queues) == 2
    run(behind, first)
    assert step.seen == ["a0", "b0", "a1"]
    assert first.queues.drops() == behind.queues.drops() == {}


def test_a_lane_behind_that_drops_holds_up_nobody() -> None:
    first, behind = lane(), lane(step := FakeStep("s"), queue=1, drop="drop_oldest")
    first.lead_to(behind)
    put(first, *(frame(number, "a") for number in range(4)))
    run(first)
    run(behind)
    assert step.seen == ["a3"] and behind.queues.drops() == {("a", "drop_oldest"): 3}


def test_a_room_behind_wakes_the_lane_before() -> None:
    first, behind = lane(), lane(queue=1)
    first.lead_to(behind)
    put(first, frame(0, "a"), frame(1, "a"))
    run(first)
    first.threads[0].thread.start()
    assert not first.ended.is_set() and len(behind.queues) == 1
    put(first, END)
    first.threads[0].thread.join(0.05)
    assert not first.ended.is_set()
    while not first.ended.wait(0.001):
        behind.turn()
    assert first.threads[0].thread.join(PATIENCE_S)


def test_priorities_change_the_order_between_streams_alone() -> None:
    made = lane(step := FakeStep("s"), streams=("a", "b"), rules={"b": StreamRule(priority=1)})
    put(made, frame(0, "a"), frame(0, "b"), frame(1, "a"), frame(1, "b"))
    run(made)
    assert step.seen == ["b0", "b1", "a0", "a1"]


def test_closing_closes_the_steps() -> None:
    made = lane(step := FakeStep("s"))
    made.close()
    assert step.closed


def test_a_restart_is_an_event_like_others() -> None:
    restarted = StreamRestarted(info=stream_info("a"), again="pass", reason="")
    made = lane(step := FakeStep("s"))
    put(made, restarted)
    run(made)
    assert step.seen == [restarted] and restarted.stream == "a"


def test_a_thread_ends_by_itself_and_says_where_it_runs() -> None:
    made = lane(step := FakeStep("s"))
    put(made, frame(0, "a"), END)
    made.threads[0].thread.start()
    assert made.threads[0].thread.join(PATIENCE_S) and made.ended.is_set()
    assert step.seen == ["a0", END] and made.threads[0].thread.tid > 0 and made.threads[0].thread.failure is None


@pytest.mark.parametrize(("error", "message"), [(RuntimeError("broken"), "lane follow ended: broken")])
def test_a_thread_that_breaks_is_a_failure(error: Exception, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    def fail(_frame: Frame) -> Frame:
        raise error

    made = lane(FakeStep("s", fail))
    put(made, frame(0, "a"))
    made.threads[0].thread.start()
    assert made.threads[0].thread.join(PATIENCE_S)
    assert made.threads[0].thread.failure is not None and made.threads[0].thread.failure.message == message
    assert "RuntimeError: broken" in capsys.readouterr().err


def gathering(made: Lane) -> list[str]:
    """What a lane behind this one gets, in its order."""
    behind = lane(step := FakeStep("behind"), queue=64, streams=tuple(made.streams))
    made.lead_to(behind)
    behind.threads[0].thread.start()
    return step.seen  # type: ignore[return-value]


def crews(count: int, *acts: Callable[[Frame], Frame | None]) -> tuple[Crew, ...]:
    return tuple(
        Crew(steps=(FakeStep("work", acts[0]),), figures=LaneFigures(f"follow.{number}", Clock()))
        for number in range(count)
    )


def test_a_hot_stream_has_all_threads_of_its_lane_and_leaves_in_order() -> None:
    """Three frames are worked on at once, the last one is done first, one ends on its way, and an event passes none."""
    inside, goes_on = threading.Semaphore(0), [threading.Event() for _ in range(7)]

    def work(frame: Frame) -> Frame | None:
        inside.release()
        assert goes_on[frame.sequence].wait(60)
        return None if frame.sequence == 1 else frame

    plan = LanePlan(cpus=(), threads=3, queue=16, drop="block")
    made = Lane(name="follow", plan=plan, streams=frozenset("a"), crews=crews(3, work))
    seen = gathering(made)
    gap = StreamGap(stream="a", missing=2)
    put(made, *(frame(number, "a") for number in range(4)), gap, *(frame(number, "a") for number in range(4, 7)), END)
    for one in made.threads:
        one.thread.start()
    for _ in range(3):
        assert inside.acquire(timeout=60)
    assert not inside.acquire(timeout=0.02), "three threads are three frames"
    for number in (3, 2, 1):
        goes_on[number].set()
    assert inside.acquire(timeout=60), "whoever is done takes the next"
    assert seen == []
    goes_on[0].set()
    for number in (6, 5, 4):
        assert inside.acquire(timeout=60)
        goes_on[number].set()
    assert made.ended.wait(60) and made.following[0].ended.wait(60)
    assert seen == ["a0", "a2", "a3", gap, "a4", "a5", "a6", END]
    assert all(one.thread.join(PATIENCE_S) for one in made.threads), "those that wait for nothing end too"


def test_frames_under_way_in_several_threads_overfill_no_queue_behind() -> None:
    plan = LanePlan(cpus=(), threads=3, queue=16, drop="block")
    made = Lane(name="follow", plan=plan, streams=frozenset("a"), crews=crews(3, lambda frame: frame))
    behind = lane(FakeStep("s"), queue=2)
    made.lead_to(behind)
    put(made, *(frame(number, "a") for number in range(6)))
    taken = [made.queues.poll(made._may_go_on) for _ in range(3)]
    assert [one is not None for one in taken] == [True, True, False], "two find room behind, both not there yet"


def test_a_deadline_counts_what_follows_too() -> None:
    """The lane behind takes 0.1 s: a frame that could be through here is dropped here, not there."""
    clock, rules = Clock(), {"a": StreamRule(deadline_s=0.15)}

    def takes(seconds: float) -> Callable[[Frame], Frame]:
        def act(frame: Frame) -> Frame:
            clock.advance(seconds)
            return frame

        return act

    first = lane(step := FakeStep("one", takes(0.03)), clock=clock, rules=rules)
    behind = lane(FakeStep("two", takes(0.1)), clock=clock, rules=rules)
    first.lead_to(behind)
    put(first, frame(0, "a", captured_s=clock()))
    run(first)
    run(behind)
    assert behind.queues.drops() == {}
    put(first, frame(1, "a", captured_s=clock() - 0.03))
    run(first)
    put(first, frame(2, "a", captured_s=clock() - 0.01))
    run(first)
    assert step.seen == ["a0", "a2"] and first.queues.drops() == {("a", "deadline"): 1}


def test_a_frame_dropped_for_its_deadline_makes_room_for_who_waits_before() -> None:
    """Else a lane in front, whose stream found no room here, would sleep for ever."""
    clock, rules = Clock(), {"a": StreamRule(deadline_s=0.05)}
    first, behind = lane(clock=clock), lane(clock=clock, queue=1, rules=rules)
    first.lead_to(behind)
    put(behind, frame(0, "a", captured_s=clock() - 1))
    put(first, frame(1, "a", captured_s=clock()))
    first.threads[0].thread.start()
    first.threads[0].thread.join(0.05)
    assert len(first.queues) == 1
    assert not behind.turn(), "what waits there is too late"
    eventually(lambda: len(behind.queues) == 1)
    first.queues.close()
