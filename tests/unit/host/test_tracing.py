"""A record drawn in Chrome's trace format: each event has what the format asks for, and lies where it belongs."""

from __future__ import annotations

import json
import struct
from collections import defaultdict
from typing import Any

import pytest

from edgekit.errors import InputError
from edgekit.host.tracing import record_in, summarise, to_chrome
from edgekit.schema.trace import WIDTHS, TracedLane, TraceHeader, TraceKind, TraceRecord, pack_record, unpack_record

NAMES = ("infer", "out", "north", "south", "deadline", "infer.2", "camera/north", "decode", "detector", "yolo")
LANES = (TracedLane(name="infer", places=2, free=2), TracedLane(name="out", places=1, free=1))
THREADS = {"camera/north": 0, "infer": 41, "infer.2": 42, "out": 43}
INFER, OUT, NORTH, SOUTH, DEADLINE, SECOND, CAMERA, DECODE, DETECTOR, YOLO = range(10)


def packed(*entries: tuple[float, ...]) -> bytes:
    """A record of these entries; times are seconds after its beginning, 1000."""
    numbers = b"".join(struct.pack(f"<{len(entry)}d", *entry) for entry in entries)
    header = TraceHeader(
        application="gate",
        began_s=1000.0,
        began_wall_s=1.7e9,
        seconds=2.0,
        pid=7,
        names=NAMES,
        lanes=LANES,
        threads=THREADS,
    )
    return pack_record(header, numbers)


RAW = packed(
    (TraceKind.STEP, 1000.0, 0.004, CAMERA, DECODE),
    (TraceKind.CAME, 1000.005, INFER, NORTH, 1, 1000.0),
    (TraceKind.DECIDED, 1000.006, INFER, 2, 1),
    (TraceKind.ASKING, NORTH, 1, 1000.0, 1000.0, 1000.005, 1),
    (TraceKind.ASKING, SOUTH, 0, 999.0, 999.5, 999.0, 1),
    (TraceKind.FOLLOWING, NORTH, 0.01),
    (TraceKind.CHOSEN, NORTH, -1),
    (TraceKind.CAME, 1000.007, INFER, SOUTH, 8, 1000.0),
    (TraceKind.STEP, 1000.0061, 0.02, INFER, YOLO),
    (TraceKind.SLOT, 1000.008, 0.017, 0.0015, DETECTOR, 1),
    (TraceKind.ENDED, 1000.0262, INFER, NORTH, 1, 0.0202),
    (TraceKind.CAME, 1000.0261, OUT, NORTH, 1, 1000.0),
    (TraceKind.WORKED, 1000.006, 0.0202, INFER, INFER, NORTH, 1),
    (TraceKind.DROPPED, 1000.05, INFER, SOUTH, 8, DEADLINE),
    (TraceKind.WORKED, 1000.03, 0.001, OUT, OUT, NORTH, 1),
    (TraceKind.MOVED, INFER, 1),
    (TraceKind.BEGAN, 1000.06, OUT, NORTH, 1),
)


@pytest.mark.parametrize("lie", [{"at_s": 1e305}, {"device": "gate-\ud800"}])
def test_what_no_trace_can_hold_is_refused_in_words(lie: dict[str, Any]) -> None:
    raw = packed((TraceKind.CAME, lie.get("at_s", 1000.0), INFER, NORTH, 1, 1000.0))
    with pytest.raises(InputError, match="times or names that no trace can hold") as refused:
        to_chrome(unpack_record(raw), raw, lie.get("device", "gate-7"))
    assert "edgekit trace DEVICE" in refused.value.hint


def drawn(raw: bytes = RAW) -> list[dict[str, Any]]:
    trace = json.loads(to_chrome(unpack_record(raw), raw, "gate-7"))
    return list(trace["traceEvents"])


def of(phase: str) -> list[dict[str, Any]]:
    return [event for event in drawn() if event["ph"] == phase]


def test_every_event_has_what_the_format_asks_for() -> None:
    """Source: Trace Event Format; what each phase needs."""
    needed = {
        "M": {"args"},
        "X": {"ts", "dur", "cat"},
        "i": {"ts", "s"},
        "C": {"ts", "args"},
        "b": {"ts", "id", "cat"},
        "e": {"ts", "id", "cat"},
        "s": {"ts", "id", "cat"},
        "t": {"ts", "id", "cat"},
        "f": {"ts", "id", "cat", "bp"},
    }
    events = drawn()
    assert {event["ph"] for event in events} == needed.keys()
    for event in events:
        assert event.keys() >= {"name", "pid", "tid"} | needed[event["ph"]], event
        assert isinstance(event["pid"], int) and isinstance(event["tid"], int) and event["name"]
        assert event.get("dur", 0) >= 0
    times = [event["ts"] for event in events if event["ph"] != "M"]
    assert times == sorted(times)


def test_lanes_slots_streams_and_schedulers_are_named() -> None:
    names = {(event["pid"], event["tid"]): event["args"]["name"] for event in of("M") if "name" in event["args"]}
    processes = [names[pid, 0] for pid in (1, 2, 3, 4)]
    assert processes == ["lanes of gate on gate-7 (process 7)", "slots of engines", "streams", "schedulers"]
    assert (names[1, 41], names[1, 42], names[1, 43]) == ("infer", "infer.2", "out")
    assert names[2, 1] == "detector, slot 1" and names[4, 1] == "infer"
    assert {names[3, 1], names[3, 2]} == {"north", "south"}
    for event in drawn():
        drawn_in_a_thread = event["ph"] in "Xist" and event["ph"] != "M"
        assert not drawn_in_a_thread or (event["pid"], event["tid"]) in names, event
    order = [
        event["args"]["sort_index"] for event in of("M") if event["name"] == "thread_sort_index" and event["pid"] == 1
    ]
    assert order == [0, 1, 2, 3], "as frames pass them"


def test_times_are_microseconds_since_the_beginning() -> None:
    (frame,) = [event for event in of("X") if event["name"] == "north 1" and event["tid"] == 41]
    assert (frame["ts"], frame["dur"]) == (6000.0, 20200.0)
    assert frame["args"] == {"stream": "north", "sequence": 1, "lane": "infer", "waited_ms": 1.0}
    (slot,) = [event for event in of("X") if event["cat"] == "slot"]
    assert (slot["name"], slot["ts"], slot["dur"], slot["args"]) == ("detector", 8000.0, 17000.0, {"waited_ms": 1.5})


def test_slices_of_a_thread_lie_within_each_other_or_apart() -> None:
    """Else a viewer draws them where they are not."""
    threads = defaultdict(list)
    for event in of("X"):
        threads[event["pid"], event["tid"]].append((event["ts"], event["ts"] + event["dur"]))
    for slices in threads.values():
        for begin, end in slices:
            for other_begin, other_end in slices:
                assert not begin < other_begin < end < other_end


def test_a_frame_s_flow_leads_from_where_it_came_through_its_lanes() -> None:
    flow = [event for event in drawn() if event["ph"] in "stf" and event["id"] == 1]
    assert [(event["ph"], event["pid"], event["tid"], event["ts"]) for event in flow] == [
        ("s", 3, 1, 5000.0),
        ("t", 1, 41, 6000.0),
        ("f", 1, 43, 30000.0),
    ]
    assert {(event["name"], event["cat"]) for event in flow} == {("frame", "flow")}
    slices = {(event["pid"], event["tid"], event["ts"]) for event in of("X")}
    assert all((event["pid"], event["tid"], event["ts"]) in slices for event in flow), "each is bound to a slice"


def test_drops_have_their_cause_and_decisions_what_they_rest_on() -> None:
    drop, decision = sorted(of("i"), key=lambda event: event["cat"], reverse=True)
    assert (drop["name"], drop["args"]) == ("dropped: deadline", {"lane": "infer", "sequence": 8, "cause": "deadline"})
    assert (decision["name"], decision["args"]) == ("start north", {"waits_ms": {"north": 1.0, "south": 1006.0}})


def test_who_waits_is_counted_and_every_wait_that_begins_ends() -> None:
    depths = [(event["name"], event["args"]) for event in of("C")]
    assert depths[0] == ("waiting for infer", {"north": 1}) and depths[-1] == (
        "waiting for infer",
        {"north": 0, "south": 0},
    )
    assert sorted(event["id"] for event in of("b")) == sorted(event["id"] for event in of("e"))


def test_a_frame_that_came_before_is_drawn_without_a_wait() -> None:
    events = drawn(
        packed(
            (TraceKind.WORKED, 1000.006, 0.01, INFER, INFER, NORTH, 1), (TraceKind.DROPPED, 1000.1, OUT, SOUTH, 2, 4)
        )
    )
    assert [event["ph"] for event in events if event["ph"] != "M"] == ["X", "s", "i"]


def test_the_record_is_in_the_trace() -> None:
    content = to_chrome(unpack_record(RAW), RAW, "gate-7")
    assert record_in(content) == RAW
    assert json.loads(content)["otherData"]["application"] == "gate"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{}",
        b"[]",
        b"null",
        b'{"otherData":{"record":7}}',
        b'{"otherData":{"record":"a-b"}}',
        b"[" * 100_000,
        b"\xff",
    ],
)
def test_what_is_no_trace_of_ours_is_refused(content: bytes) -> None:
    with pytest.raises(InputError, match="no record in this file") as refused:
        record_in(content)
    assert "edgekit trace" in refused.value.hint


def test_a_decision_that_is_not_whole_is_no_record() -> None:
    raw = packed((TraceKind.DECIDED, 1000.0, INFER, 1, 0), (TraceKind.CHOSEN, NORTH, -1))
    with pytest.raises(InputError, match="not whole"):
        to_chrome(unpack_record(raw), raw, "gate-7")


def test_frames_are_summed_up_by_lane_and_stream() -> None:
    found = {(one.lane, one.stream): one for one in summarise(unpack_record(RAW))}
    assert list(found) == [("infer", "north"), ("infer", "south"), ("out", "north")]
    north, south = found["infer", "north"], found["infer", "south"]
    assert (north.came, north.worked, north.dropped) == (1, 1, {})
    assert (north.waited_p50_ms, north.worked_p99_ms) == (1.0, 20.2)
    assert (south.came, south.worked, south.dropped) == (1, 0, {"deadline": 1})


def test_every_kind_is_read_with_its_width() -> None:
    assert set(WIDTHS) == set(TraceKind)
    entries = list(unpack_record(RAW).entries())
    assert len(entries) == 17 and entries[0] == (TraceKind.STEP, (1000.0, 0.004, float(CAMERA), float(DECODE)))
    with pytest.raises(InputError, match="no name"):
        TraceRecord(header=unpack_record(RAW).header, numbers=unpack_record(RAW).numbers).name(0.5)
