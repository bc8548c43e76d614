"""Lanes without threads, on a virtual clock: what a lane does with frames, events, errors and full lines."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from edgekit.device.runtime.figures import LaneFigures
from edgekit.device.runtime.frames.stream import Entry, StreamEnded, StreamEvent, StreamGap, StreamRestarted
from edgekit.device.runtime.schedule.choice import Waiting, first_come
from edgekit.device.runtime.schedule.lanes import Lane
from edgekit.device.runtime.schedule.steps import FrameFailed
from edgekit.schema.plan import LanePlan
from edgekit.stage import Frame
from tests.fakes.clock import Clock
from tests.fakes.eventually import PATIENCE_S
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
    return Lane(
        name="follow",
        plan=LanePlan(cpus=(), queue=queue, drop=drop),
        streams=frozenset(more.pop("streams", ("a",))),
        steps=steps,
        figures=LaneFigures("follow", clock or Clock()),
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
    assert made.figures.drops == {("a", "one", "stage"): 2}


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
    assert made.figures.drops == {("a", "one", "error"): 1} and failed == ["a"]
    assert made.figures.call is None


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
    assert made.figures.busy_s == 0.5 and made.figures.stages["slow"].sum_s == 0.5


def test_entries_go_to_every_lane_that_follows() -> None:
    first, left, right = lane(), lane(step := FakeStep("left")), lane(other := FakeStep("right"))
    first.lead_to(left, right)
    put(first, frame(0, "a"), END)
    run(first, left, right)
    assert step.seen == other.seen == ["a0", END]


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
    first.thread.start()
    assert not first.ended.is_set() and len(behind.queues) == 1
    put(first, END)
    first.thread.join(0.05)
    assert not first.ended.is_set()
    while not first.ended.wait(0.001):
        behind.turn()
    assert first.thread.join(PATIENCE_S)


def test_another_choice_changes_the_order_between_streams_alone() -> None:
    def last_name(waiting: Any) -> str:
        return max(one.stream for one in waiting)

    made = lane(step := FakeStep("s"), streams=("a", "b"), choose=last_name)
    put(made, frame(0, "a"), frame(0, "b"), frame(1, "a"), frame(1, "b"))
    run(made)
    assert step.seen == ["b0", "b1", "a0", "a1"]


def test_first_come_first_served() -> None:
    assert first_come([Waiting("b", 3), Waiting("a", 7), Waiting("c", 5)]) == "b"


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
    made.thread.start()
    assert made.thread.join(PATIENCE_S) and made.ended.is_set()
    assert step.seen == ["a0", END] and made.thread.tid > 0 and made.thread.failure is None


@pytest.mark.parametrize(("error", "message"), [(RuntimeError("broken"), "lane follow ended: broken")])
def test_a_thread_that_breaks_is_a_failure(error: Exception, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    def fail(_frame: Frame) -> Frame:
        raise error

    made = lane(FakeStep("s", fail))
    put(made, frame(0, "a"))
    made.thread.start()
    assert made.thread.join(PATIENCE_S)
    assert made.thread.failure is not None and made.thread.failure.message == message
    assert "RuntimeError: broken" in capsys.readouterr().err
