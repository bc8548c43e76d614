"""What was recorded replays to the same decisions, also where it began in the middle; what was changed does not."""

from __future__ import annotations

import struct
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from math import inf
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgekit.device.runtime.frames.stream import StreamGap
from edgekit.device.runtime.schedule.decide import StreamRule
from edgekit.device.runtime.schedule.recorder import Recorder
from edgekit.device.runtime.schedule.replay import replay, traced_lane
from edgekit.errors import InputError
from edgekit.schema.message import from_message
from edgekit.schema.trace import ReplayReply, TraceHeader, TraceKind, TraceRecord, pack_record, unpack_record
from tests.fakes.lane_simulation import Camera, Simulation

RULES = st.builds(
    StreamRule,
    priority=st.integers(0, 2),
    weight=st.floats(0.5, 3),
    deadline_s=st.sampled_from([0.05, 0.2, 0.5, inf]),
    max_wait_s=st.sampled_from([0.3, inf]),
    patience=st.sampled_from([0.0, 1.0, 4.0]),
)
CAMERAS = st.lists(st.tuples(st.floats(0.02, 0.5), st.floats(0.005, 0.2), RULES), min_size=1, max_size=6)


def recorded(
    cameras: list[tuple[float, float, StreamRule]], places: int = 1, queue: int = 2, seed: int = 1
) -> tuple[TraceRecord, Simulation]:
    """Two seconds of a simulation, after one that nobody recorded."""
    made = [
        Camera(name=f"s{number}", period_s=period_s, cost_s=cost_s, rule=rule)
        for number, (period_s, cost_s, rule) in enumerate(cameras)
    ]
    simulation = Simulation(made, places, queue=queue, jitter=0.5, seed=seed)
    simulation.scheduler.rest = lambda stream, now_s: (hash(stream) % 7 + int(now_s * 10) % 3) / 1000
    simulation.run(1.0)
    recorder = Recorder()
    lane = traced_lane(simulation.scheduler, simulation.queues.record(recorder))
    began_s = simulation.clock.now_s
    simulation.run(2.0)
    simulation.queues.record(None)
    header = TraceHeader(
        application="sim", began_s=began_s, began_wall_s=0.0, seconds=2.0, names=recorder.names, lanes=(lane,)
    )
    return unpack_record(pack_record(header, recorder.numbers)), simulation


HEADER = TraceHeader(application="a", began_s=0.0, began_wall_s=0.0, seconds=1.0, names=("lane", "s0"))
OVERLOAD = [
    (0.03, 0.04, StreamRule(deadline_s=0.2, weight=2.0)),
    (0.05, 0.04, StreamRule(priority=1, deadline_s=0.1)),
    (0.2, 0.15, StreamRule(max_wait_s=0.3)),
]
WEIGHED = [(0.02, 0.03, StreamRule(weight=2.0)), (0.02, 0.03, StreamRule())]


@settings(deadline=None, max_examples=40)
@given(CAMERAS, st.integers(1, 3), st.integers(1, 3), st.integers(0, 1000))
def test_a_record_replays_to_the_same_decisions(
    cameras: list[tuple[float, float, StreamRule]], places: int, queue: int, seed: int
) -> None:
    record, _ = recorded(cameras, places, queue, seed)
    reply = replay(record)
    assert reply.differences == ()
    assert reply.decisions == sum(kind is TraceKind.DECIDED for kind, _ in record.entries())


@pytest.mark.parametrize(("places", "causes"), [(1, {"deadline", "drop_oldest"}), (2, {"drop_oldest"})])
def test_frames_of_a_record_are_those_that_came_and_each_drop_has_its_cause(places: int, causes: set[str]) -> None:
    record, simulation = recorded(OVERLOAD, places)
    came, worked, dropped = Counter[str](), Counter[str](), Counter[tuple[str, str]]()
    for kind, numbers in record.entries():
        if kind is TraceKind.CAME:
            came[record.name(numbers[2])] += 1
        elif kind is TraceKind.DROPPED:
            dropped[record.name(numbers[2]), record.name(numbers[4])] += 1
        elif kind is TraceKind.ENDED:
            worked[record.name(numbers[2])] += 1
    before = {name: int(1.0 / camera.period_s) for name, camera in simulation.cameras.items()}
    for name, camera in simulation.cameras.items():
        lost = sum(count for (stream, _), count in dropped.items() if stream == name)
        assert came[name] == camera.given - before[name] == worked[name] + lost
    assert {cause for _, cause in dropped} >= causes
    assert all(count <= simulation.drops(stream)[cause] for (stream, cause), count in dropped.items())


@pytest.mark.parametrize(
    ("cameras", "changes", "found"),
    [
        (WEIGHED, {"weight": 0.1}, "start s"),
        (WEIGHED, {"share_s": None}, "start s"),
        (OVERLOAD, {"priority": -1}, "start s"),
        (OVERLOAD, {"deadline_s": 0.02}, "drop s0: deadline"),
        (OVERLOAD, {"deadline_s": None}, "not ask what follows of s0"),
        ([(0.05, 0.04, StreamRule(max_wait_s=9.0)), *OVERLOAD[1:]], {"deadline_s": 5.0}, "ask what follows of s0"),
        (OVERLOAD, {"costs_s": (9.0,) * 8, "cost_bound_s": 9.0}, "drop s0: deadline"),
        (OVERLOAD, {"served_s": 0.0, "max_wait_s": 0.001}, "start s0"),
    ],
)
def test_what_a_recipe_says_and_what_was_known_before_decides(
    cameras: list[tuple[float, float, StreamRule]], changes: dict[str, Any], found: str
) -> None:
    """Replayed with anything else a record comes out otherwise: a replay that always agrees would show nothing."""
    record, _ = recorded(cameras)
    lane = record.header.lanes[0]
    first, *others = lane.streams
    other = replace(lane, streams=(replace(first, **changes), *others))
    reply = replay(TraceRecord(header=replace(record.header, lanes=(other,)), numbers=record.numbers))
    assert 0 < len(reply.differences) <= 20
    assert any(found in one.found and one.found != one.recorded for one in reply.differences), reply.differences


def test_a_full_record_ends_with_a_whole_decision() -> None:
    for most_bytes in range(1000, 1400, 8):
        recorder = Recorder(most_bytes)
        cameras = [
            Camera(name=f"s{number}", period_s=period_s, cost_s=cost_s, rule=rule)
            for number, (period_s, cost_s, rule) in enumerate(OVERLOAD)
        ]
        simulation = Simulation(cameras, queue=2)
        lane = traced_lane(simulation.scheduler, simulation.queues.record(recorder))
        simulation.run(1.0)
        assert recorder.full and len(recorder.numbers) <= most_bytes
        header = replace(HEADER, names=recorder.names, lanes=(lane,), full=True)
        assert replay(unpack_record(pack_record(header, recorder.numbers))).differences == ()


def test_events_take_places_in_a_record_too() -> None:
    simulation = Simulation([Camera(name="s0", period_s=0.1, cost_s=0.01)], 2)
    recorder = Recorder()
    simulation.queues.record(recorder)
    simulation.queues.put(StreamGap(stream="s0", missing=1))
    taken = simulation.queues.poll(lambda _stream: True)
    assert taken is not None
    simulation.queues.done(taken, 0.0)
    header = TraceHeader(application="a", began_s=0.0, began_wall_s=0.0, seconds=1.0, names=recorder.names)
    entries = list(unpack_record(pack_record(header, recorder.numbers)).entries())
    assert entries == [(TraceKind.MOVED, (0.0, -1.0)), (TraceKind.MOVED, (0.0, 1.0))]


def _numbers(*numbers: float) -> bytes:
    return struct.pack(f"<{len(numbers)}d", *numbers)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"no record", "no record of a worker"),
        (b"{}\n", "application"),
        (pack_record(HEADER, b"1234"), "damaged"),
        (pack_record(HEADER, _numbers(8, 0, 1))[:-3], "damaged"),
        (pack_record(HEADER, _numbers(8, 0, 1)) + b"more", "damaged"),
        (pack_record(HEADER, bytes(9 << 20)), "larger"),
        (pack_record(HEADER, _numbers(8, 0, inf)), "numbers that are none"),
        (pack_record(HEADER, _numbers(77, 0)), "no kind 77"),
        (pack_record(HEADER, _numbers(8, 0)), "in the middle"),
        (pack_record(HEADER, _numbers(8, 5, 1)), "no name 5"),
        (pack_record(HEADER, _numbers(8, 0, 1)), "no lane 'lane'"),
        (pack_record(HEADER, _numbers(9, 0, 0, 1e300, 0)), "no lane 'lane'"),
    ],
)
def test_a_damaged_record_is_refused_in_words(content: bytes, words: str) -> None:
    with pytest.raises(InputError, match=words) as refused:
        replay(unpack_record(content))
    assert "edgekit" in refused.value.hint


def test_the_replay_is_a_program_that_answers_in_any_case(tmp_path: Path) -> None:
    record, _ = recorded(OVERLOAD)
    good, bad = tmp_path / "good", tmp_path / "bad"
    good.write_bytes(pack_record(record.header, record.numbers.tobytes()))
    bad.write_bytes(b"nothing of the kind")
    replies = []
    for file in (good, bad):
        argv = [sys.executable, "-I", "-m", "edgekit.device.runtime.schedule.replay", str(file)]
        done = subprocess.run(argv, capture_output=True, check=True, timeout=60)
        replies.append(from_message(ReplayReply, done.stdout, "reply"))
    assert replies[0].decisions > 20 and replies[0].differences == () and not replies[0].failure
    assert "no record" in replies[1].failure
