"""What stands in line in front of a lane: bounded by stream, in order, and every drop has its cause."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgekit.device.runtime.frames.stream import Entry, StreamEnded, StreamGap, StreamRestarted
from edgekit.device.runtime.schedule.decide import StreamRule
from edgekit.device.runtime.schedule.queues import LaneQueues
from edgekit.device.runtime.schedule.scheduler import Scheduler
from edgekit.schema.recipe import DropPolicy
from edgekit.stage import Frame
from tests.fakes.eventually import PATIENCE_S, eventually
from tests.fakes.frames import frame, stream_info

END = StreamEnded(stream="belt", reason="")


def always(_stream: str) -> bool:
    return True


def drained(queues: LaneQueues) -> list[object]:
    """Sequence numbers of frames, and events as they are."""
    seen: list[object] = []
    while (entry := queues.poll(always)) is not None:
        queues.done(entry, 0.0)
        seen.append(entry.sequence if isinstance(entry, Frame) else entry)
    return seen


@pytest.mark.parametrize(("policy", "left"), [("drop_oldest", [3, 4, END]), ("drop_newest", [0, 1, END])])
def test_a_full_queue_drops_as_it_is_told_and_counts(policy: DropPolicy, left: list[object]) -> None:
    queues = LaneQueues(2, policy)
    for sequence in range(5):
        assert queues.has_room("belt")
        queues.put(frame(sequence))
    assert len(queues) == 2, "those that were dropped are not counted"
    queues.put(END)
    assert drained(queues) == left
    assert queues.drops() == {("belt", policy): 3}


def test_block_waits_and_loses_nothing() -> None:
    queues = LaneQueues(1, "block")

    def produce() -> None:
        for sequence in range(50):
            assert queues.wait_for_room("belt")
            queues.put(frame(sequence))
        queues.put(END)

    thread = threading.Thread(target=produce)
    thread.start()
    seen: list[Entry | None] = []
    while END not in seen:
        assert len(queues) <= 1
        seen.append(queues.take(always))
    thread.join(PATIENCE_S)
    assert [entry.sequence for entry in seen if isinstance(entry, Frame)] == list(range(50))
    assert queues.drops() == {}


def test_a_full_stream_takes_no_room_from_another() -> None:
    queues = LaneQueues(2, "block")
    queues.put(frame(0, "a"))
    queues.put(frame(1, "a"))
    assert not queues.has_room("a")
    assert queues.has_room("b")
    assert len(queues) == 2


def test_who_came_first_goes_first_whatever_the_stream() -> None:
    queues = LaneQueues(4, "block")
    for sequence, stream in enumerate("abbab"):
        queues.put(frame(sequence, stream))
    assert drained(queues) == [0, 1, 2, 3, 4]


def test_a_stream_that_may_not_go_on_does_not_stop_one_that_may() -> None:
    queues = LaneQueues(4, "block")
    queues.put(frame(0, "a"))
    queues.put(frame(1, "b"))
    taken = queues.poll(lambda stream: stream == "b")
    assert isinstance(taken, Frame) and taken.stream == "b"
    assert queues.poll(lambda stream: stream == "b") is None


def test_a_stream_that_becomes_ready_is_taken_after_a_wake() -> None:
    queues, ready, taken = LaneQueues(4, "block"), threading.Event(), []
    queues.put(frame(7))
    thread = threading.Thread(target=lambda: taken.append(queues.take(lambda _stream: ready.is_set())))
    thread.start()
    thread.join(0.05)
    assert not taken
    ready.set()
    queues.wake()
    thread.join(PATIENCE_S)
    assert [entry.sequence for entry in taken if isinstance(entry, Frame)] == [7]


def test_a_stream_that_was_found_ready_is_taken_without_a_second_look() -> None:
    """Else `take` could come back with nothing, which ends a lane's thread as if the line were closed."""
    queues, answers = LaneQueues(4, "block"), iter([True, False])
    queues.put(frame(7))
    taken = queues.take(lambda _stream: next(answers))
    assert isinstance(taken, Frame) and taken.sequence == 7


def test_whoever_waits_behind_is_told_of_the_room() -> None:
    queues, calls = LaneQueues(1, "block"), []
    queues.on_taken.append(lambda: calls.append(len(queues)))
    assert queues.poll(always) is None and calls == []
    queues.put(frame(0))
    queues.poll(always)
    assert calls == [0], "after the entry has gone, with no lock held"


@pytest.mark.parametrize("policy", ["block", "drop_oldest", "drop_newest"])
def test_events_are_never_dropped_and_are_bounded_too(policy: DropPolicy) -> None:
    queues = LaneQueues(1, policy)
    queues.put(frame(0))
    events = [StreamRestarted(info=stream_info(), again="pass", reason="") for count in range(32)]
    for count, event in enumerate(events):
        assert queues.has_room("belt") == (policy != "block"), count
        queues.put(event)
    assert not queues.has_room("belt")
    if policy == "drop_oldest":
        queues.put(frame(1))
    assert drained(queues) == ([*events, 1] if policy == "drop_oldest" else [0, *events])


def test_gaps_that_meet_are_one() -> None:
    queues = LaneQueues(1, "drop_newest")
    for missing in (1, 2):
        queues.put(StreamGap(stream="belt", missing=missing))
    queues.put(StreamGap(stream="other", missing=5))
    assert drained(queues) == [StreamGap(stream="belt", missing=3), StreamGap(stream="other", missing=5)]


def test_closing_frees_both_sides_and_counts_what_waited() -> None:
    queues, rooms = LaneQueues(1, "block"), []
    queues.put(frame(0))
    queues.put(END)
    putting = threading.Thread(target=lambda: rooms.append(queues.wait_for_room("belt")))
    putting.start()
    putting.join(0.05)
    assert rooms == []
    queues.close()
    putting.join(PATIENCE_S)
    assert rooms == [False]
    queues.put(frame(1))
    queues.put(END)
    assert queues.take(always) is None and queues.poll(always) is None
    assert queues.drops() == {("belt", "closing"): 2} and len(queues) == 0


@settings(deadline=None, max_examples=60)
@given(
    st.sampled_from(["block", "drop_oldest", "drop_newest"]),
    st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["frame", "gap", "take"])), max_size=60),
)
def test_order_within_a_stream_holds_and_no_frame_is_lost(policy: DropPolicy, acts: list[tuple[str, str]]) -> None:
    queues, put, taken = LaneQueues(2, policy), dict.fromkeys("abc", 0), list[Frame]()

    def take() -> bool:
        entry = queues.poll(always)
        if entry is not None:
            queues.done(entry, 0.0)
        if isinstance(entry, Frame):
            taken.append(entry)
        return entry is not None

    for stream, act in acts:
        if act == "take":
            take()
        elif act == "gap":
            queues.put(StreamGap(stream=stream, missing=1))
        elif queues.has_room(stream):
            queues.put(frame(put[stream], stream))
            put[stream] += 1
        assert len(queues) <= 6
    while take():
        pass
    for stream in "abc":
        mine = [one.sequence for one in taken if one.stream == stream]
        assert mine == sorted(set(mine))
        assert len(mine) + sum(count for key, count in queues.drops().items() if key[0] == stream) == put[stream]


def test_a_camera_waits_for_nobody_where_a_recording_waits() -> None:
    queues = LaneQueues(1, "block", live={"camera"})
    for number in range(3):
        assert queues.has_room("camera")
        queues.put(frame(number, "camera"))
    queues.put(frame(0, "clip"))
    assert not queues.has_room("clip")
    assert queues.drops() == {("camera", "drop_oldest"): 2}
    taken = queues.poll(lambda stream: stream == "camera")
    assert isinstance(taken, Frame) and taken.sequence == 2, "the newest wins"
    kept = LaneQueues(1, "drop_newest", live={"camera"})
    for number in range(2):
        kept.put(frame(number, "camera"))
    assert kept.drops() == {("camera", "drop_newest"): 1}, "what the recipe says of dropping holds"


def test_several_threads_take_all_of_it_once_and_end_with_the_line() -> None:
    """One signal wakes one thread: whoever leaves something behind, or finds the line closed, wakes the next."""
    queues, count = LaneQueues(4, "block", Scheduler(places=3)), 600
    taken: list[list[tuple[str, int]]] = [[], [], []]

    handed_on: list[Frame] = []

    def consume(mine: list[tuple[str, int]]) -> None:
        while (entry := queues.take(always)) is not None:
            assert isinstance(entry, Frame)
            mine.append((entry.stream, entry.sequence))
            queues.order_of(entry.stream).finish(entry.sequence, None, handed_on.append)
            queues.done(entry, 0.0)

    def produce(stream: str) -> None:
        for sequence in range(count):
            assert queues.wait_for_room(stream)
            queues.put(frame(sequence, stream))

    consumers = [threading.Thread(target=consume, args=(mine,)) for mine in taken]
    producers = [threading.Thread(target=produce, args=(stream,)) for stream in "ab"]
    for thread in (*consumers, *producers):
        thread.start()
    for thread in producers:
        thread.join(PATIENCE_S)
        assert not thread.is_alive()
    eventually(lambda: len(queues) == 0)
    queues.close()
    for thread in consumers:
        thread.join(PATIENCE_S)
        assert not thread.is_alive(), "every one of them heard of the end"
    both = sorted(one for mine in taken for one in mine)
    assert both == [(stream, sequence) for stream in "ab" for sequence in range(count)]
    assert queues.drops() == {}


def test_all_who_sleep_are_woken_for_what_is_there() -> None:
    queues, open_to = LaneQueues(4, "block", Scheduler(places=3)), set[str]()
    taken: list[Entry | None] = []
    threads = [threading.Thread(target=lambda: taken.append(queues.take(open_to.__contains__))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for stream in "abc":
        queues.put(frame(0, stream))
    for thread in threads:
        thread.join(0.05)
    assert taken == []
    open_to.update("abc")
    queues.wake()
    for thread in threads:
        thread.join(PATIENCE_S)
    assert sorted(entry.stream for entry in taken if entry is not None) == ["a", "b", "c"]


def test_frames_of_a_stream_can_be_forgotten_and_its_events_stay() -> None:
    queues, told, rooms = LaneQueues(2, "block"), list[int](), list[bool]()
    queues.on_taken.append(lambda: told.append(1))
    gap = StreamGap(stream="belt", missing=2)
    for entry in (frame(0), gap, frame(1), frame(0, "other")):
        queues.put(entry)
    putting = threading.Thread(target=lambda: rooms.append(queues.wait_for_room("belt")))
    putting.start()
    putting.join(0.05)
    assert rooms == []
    queues.forget("belt", "lost")
    putting.join(PATIENCE_S)
    assert rooms == [True] and told == [1], "whoever waits for room, here or behind, hears of it"
    queues.forget("belt", "lost")
    queues.forget("nobody", "lost")
    assert queues.drops() == {("belt", "lost"): 2} and told == [1]
    assert drained(queues) == [gap, 0]


def test_a_stream_whose_frames_were_forgotten_has_not_waited_since() -> None:
    now = [0.0]
    rules = {"lost": StreamRule(priority=0, max_wait_s=2.0), "gate": StreamRule(priority=5)}
    queues = LaneQueues(4, "block", Scheduler(rules))
    queues.clock = lambda: now[0]
    queues.put(frame(0, "lost"))
    queues.forget("lost", "lost")
    now[0] = 300.0
    queues.put(frame(1, "lost"))
    queues.put(frame(0, "gate"))
    first = queues.poll(always)
    assert first is not None and first.stream == "gate"


def test_for_one_stream_without_a_deadline_no_clock_is_read() -> None:
    """A frame's way has no room for what no decision needs."""

    def read() -> float:
        raise AssertionError("the clock was read")

    queues = LaneQueues(2, "block", Scheduler({"belt": StreamRule(priority=3)}))
    queues.clock = read
    assert not queues.counts
    for number in range(3):
        queues.put(frame(number))
        assert drained(queues) == [number]
    for rules in ({"belt": StreamRule(deadline_s=1.0)}, {"belt": StreamRule(), "door": StreamRule()}):
        assert LaneQueues(2, "block", Scheduler(rules)).counts
