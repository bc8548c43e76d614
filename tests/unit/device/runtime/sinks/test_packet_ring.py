"""The last seconds of a stream: whole groups, within a bound, and never across two connections."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from edgekit.device.runtime.sinks.packet_ring import PacketRing
from edgekit.device.runtime.sources.packets import EncodedPacket


def packet(at_s: float, *, key: bool = False, size: int = 100) -> EncodedPacket:
    ticks = round(at_s * 90_000)
    data = np.zeros(size, np.uint8)
    return EncodedPacket(data=data, is_key=key, shown=ticks, decoded=ticks, duration=0, arrived_s=at_s)


def fill(ring: PacketRing, first_s: int, end_s: int, *, group: int = 10, size: int = 100) -> None:
    """10 packets a second; a key picture each `group` of them."""
    for index in range(first_s * 10, end_s * 10):
        ring.put(packet(index / 10, key=(index - first_s * 10) % group == 0, size=size))


def times(ring: PacketRing, event_s: float, before_s: float, most: int = 10_000) -> tuple[list[float], str]:
    started = ring.start(event_s, before_s)
    assert started is not None
    part = ring.read(*started, most)
    return [one.arrived_s for one in part.packets], part.end


def test_a_clip_begins_with_the_key_picture_before_its_time() -> None:
    ring = PacketRing(keep_s=60, max_bytes=1 << 20)
    ring.begin("h264")
    fill(ring, 0, 10)
    assert times(ring, 8.05, 2.5)[0][0] == 5.0
    assert times(ring, 8.05, 3.05)[0][0] == 5.0
    assert times(ring, 8.05, 3.06)[0][0] == 4.0
    assert times(ring, 8.05, 60)[0] == [index / 10 for index in range(100)]
    assert times(ring, 8.05, 2.5, most=3) == ([5.0, 5.1, 5.2], "")


def test_what_is_older_goes_by_whole_groups() -> None:
    ring = PacketRing(keep_s=3, max_bytes=1 << 20)
    ring.begin("h264")
    fill(ring, 0, 10)
    assert times(ring, 9.9, 60)[0][0] == 6.0
    assert ring.bytes == 40 * 400


def test_before_a_runs_first_key_picture_nothing_is_kept() -> None:
    ring = PacketRing(keep_s=3, max_bytes=1 << 20)
    assert ring.start(0, 0) is None and ring.codec == ""
    ring.begin("h264")
    ring.put(packet(0.0))
    assert ring.bytes == 0
    started = ring.start(0.0, 1)
    assert started is not None
    assert ring.read(*started, 10).packets == ()
    ring.put(packet(0.2, key=True))
    assert [one.arrived_s for one in ring.read(*started, 10).packets] == [0.2], "it begins as soon as it can"


def test_no_clip_spans_two_connections() -> None:
    ring = PacketRing(keep_s=60, max_bytes=1 << 20)
    ring.begin("h264")
    fill(ring, 0, 5)
    ring.begin("h264")
    ring.put(packet(5.0))
    fill(ring, 6, 8)
    before, end = times(ring, 4.5, 1)
    assert (before[0], before[-1], end) == (3.0, 4.9, "restarted")
    after, end = times(ring, 6.5, 5)
    assert (after[0], after[-1], end) == (6.0, 7.9, "")


def test_a_reader_that_is_too_slow_learns_that_packets_are_lost() -> None:
    ring = PacketRing(keep_s=1, max_bytes=1 << 20)
    ring.begin("h264")
    fill(ring, 0, 2)
    started = ring.start(0.5, 0)
    assert started is not None
    fill(ring, 2, 10)
    assert ring.read(*started, 10).end == "lost"


def test_a_group_that_does_not_fit_is_let_go_of_and_no_clip_has_a_hole() -> None:
    ring = PacketRing(keep_s=60, max_bytes=10_000)
    ring.begin("h264")
    fill(ring, 0, 2)
    started = ring.start(1.95, 0)
    assert started is not None
    run, number = started
    number += len(ring.read(run, number, 100).packets)
    fill(ring, 2, 6, group=1000, size=1000)
    assert ring.overflows == 1
    assert ring.read(run, number, 100).packets == ()
    assert ring.read(run, number, 100).end in ("lost", "restarted")
    fill(ring, 6, 7)
    assert times(ring, 6.5, 60)[0][0] == 6.0


@given(
    st.lists(st.tuples(st.sampled_from(["key", "other", "begin"]), st.integers(1, 3000)), max_size=200),
    st.integers(1000, 20_000),
)
def test_never_past_its_bound_and_each_run_whole(steps: list[tuple[str, int]], bound: int) -> None:
    ring = PacketRing(keep_s=5, max_bytes=bound)
    ring.begin("h264")
    now_s = 0.0
    for what, size in steps:
        now_s += 0.25
        if what == "begin":
            ring.begin("h264")
        else:
            ring.put(packet(now_s, key=what == "key", size=size))
        assert ring.bytes <= bound
        started = ring.start(now_s, 2.0)
        assert started is not None
        part = ring.read(*started, 1000)
        assert not part.packets or part.packets[0].is_key
        gaps = [b.arrived_s - a.arrived_s for a, b in zip(part.packets, part.packets[1:], strict=False)]
        assert set(gaps) <= {0.25}


def test_a_ring_that_is_paused_keeps_nothing_and_begins_anew_with_a_key_picture() -> None:
    ring = PacketRing(10.0, 1 << 20)
    ring.begin("h264")
    for number in range(6):
        ring.put(packet(number, key=number % 3 == 0))
    run, first = ring.start(5.0, 5.0) or (None, 0)
    assert run is not None and ring.bytes > 0
    ring.pause(paused=True)
    assert ring.bytes == 0 and ring.read(run, first, 5).end == "lost"
    ring.put(packet(6, key=True))
    assert ring.bytes == 0
    ring.pause(paused=False)
    ring.put(packet(7, key=False))
    assert ring.bytes == 0, "no decoder could begin with it"
    ring.put(packet(9, key=True))
    again, number = ring.start(9.0, 5.0) or (None, 0)
    assert again is not None and again.number > run.number
    assert [one.arrived_s for one in ring.read(again, number, 5).packets] == [9.0]
