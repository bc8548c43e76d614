"""The clip sink on its lane: it notes what it is asked for, and waits for no disk."""

from __future__ import annotations

import gc
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

from edgekit.device.runtime.arguments import Arguments
from edgekit.device.runtime.figures import SinkFigures
from edgekit.device.runtime.pipeline import open_ends
from edgekit.device.runtime.sinks import TakesPackets, make_sink
from edgekit.device.runtime.sinks.clip import ClipRecorder
from edgekit.device.runtime.sinks.clip_file import open_unbuffered
from edgekit.device.runtime.sinks.context import SinkContext
from edgekit.device.runtime.sinks.packet_ring import PacketRing
from edgekit.device.runtime.sources.packets import EncodedPacket, PacketTap
from edgekit.device.runtime.stages.factory import StageFactory
from edgekit.device.runtime.streams import PipelineFigures
from edgekit.schema.sink import ClipSink, JsonlSink
from edgekit.schema.source import FileSource
from edgekit.stage import Frame, SceneEvent
from tests.fakes.clock import Clock
from tests.fakes.eventually import eventually
from tests.fakes.frames import frame
from tests.fakes.numbered_clip import write_numbered
from tests.fakes.plans import small_plan

CLIP = ClipSink(kind="clip", lane="l", before_s=0, after_s=0)
JSONL = JsonlSink(kind="jsonl", path="lines.jsonl", lane="l")
SOURCES = {name: FileSource(kind="file", path="c.mp4", lane="l") for name in ("gate", "yard")}


def context(folder: Path, name: str, **sinks: Any) -> SinkContext:
    plan = small_plan(sources=SOURCES, sinks=sinks)
    return SinkContext(name=name, plan=plan, release=folder, work=folder, figures=PipelineFigures())


def seen(number: int, stream: str = "gate", **more: Any) -> Frame:
    event = SceneEvent(**{"kind": "crossed", "place": "door", "label": "person", "track": number, **more})
    return frame(number, stream, events=(event,))


@contextmanager
def recorder(folder: Path, plan: ClipSink, **more: Any) -> Iterator[tuple[ClipRecorder, SinkFigures]]:
    figures = SinkFigures()
    made = ClipRecorder(plan, context(folder, "clips", clips=plan), figures, **more)
    yield made, figures
    made.close()


def test_only_the_events_that_are_asked_for_make_clips(tmp_path: Path) -> None:
    plan = replace(CLIP, sources=("gate",), events=("crossed",), places=("door",), labels=("person",))
    with recorder(tmp_path, plan) as (made, figures):
        assert made.taker("yard") is None and made.taker("gate") is not None
        for other in ({"kind": "left"}, {"place": "roof"}, {"label": "cat"}, {"stream": "yard"}):
            made.take(seen(1, **other))
        made.take(frame(2, "gate"))
        made.take(seen(3))
        eventually(lambda: figures.dropped == 1)  # there are no packets, and no other event was noted
        assert figures.trouble == "stream gate gives no packets that a clip could be made of"


def test_rings_keep_what_slow_stages_need(tmp_path: Path) -> None:
    clock = Clock()
    (data,) = islice(_packets(tmp_path), 1)
    with recorder(tmp_path, replace(CLIP, before_s=3.0), clock=clock) as (made, _):
        ring = made.taker("gate")
        assert isinstance(ring, PacketRing)
        ring.begin("h264")
        for second in range(100):
            clock.advance(1.0)
            ring.put(replace(data, arrived_s=clock.now_s, is_key=True))
            if second == 50:
                assert oldest(ring) == second - 8, "3 s before an event, and 5 s for the stages"
                made.take(frame(second, "gate", captured_s=clock.now_s - 20.0))
        assert oldest(ring) == 99 - 33, "3 s before an event, and half as much again as the stages took"


def oldest(ring: PacketRing) -> int:
    """Number of the oldest packet that a clip could begin with."""
    started = ring.start(0.0, 0.0)
    assert started is not None
    return started[1]


def test_a_disk_that_hangs_costs_nobody_anything(tmp_path: Path) -> None:
    hangs, free = threading.Event(), threading.Event()

    def slow(file: Path) -> BinaryIO:
        hangs.set()
        free.wait()
        return open_unbuffered(file)

    with recorder(tmp_path, CLIP, open_file=slow) as (made, figures):
        lines = make_sink(context(tmp_path, "lines", lines=JSONL))
        taker = made.taker("gate")
        assert taker is not None
        data = next(_packets(tmp_path))
        taker.begin("h264")
        taker.put(replace(data, arrived_s=0.0))
        made.take(seen(0))
        hangs.wait()
        for number in range(1, 3000):
            taker.put(replace(data, arrived_s=0.0))
            for sink in (made, lines):
                sink.take(seen(number))
        assert figures.dropped == 1999, "what waits is bounded, and what found no room is counted"
        assert figures.held["gate"].bytes <= CLIP.buffer
        lines.close()
        text = (tmp_path / "lines.jsonl").read_text()
        assert len([one for one in text.splitlines() if json.loads(one)["event"] == "crossed"]) == 2999
        free.set()
        eventually(lambda: figures.sent >= 1)


def test_no_packet_is_kept_where_no_sink_makes_clips(tmp_path: Path) -> None:
    write_numbered(tmp_path / "c.mp4", "h264", 5)

    def taps(**sinks: Any) -> int:
        before = living_taps()
        factory = StageFactory(small_plan(sources=SOURCES, sinks=sinks), tmp_path, {})
        ends = open_ends(factory, Arguments(release=tmp_path, work=tmp_path), PipelineFigures())
        found = living_taps() - before
        assert sum(isinstance(sink, TakesPackets) for sink in ends.sinks.values()) == bool(found)
        return found

    assert taps(lines=JSONL) == 0
    assert taps(lines=JSONL, clips=replace(CLIP, sources=("yard",))) == 1


def living_taps() -> int:
    """Those of this process; what other tests have let go is not among them."""
    gc.collect()
    return sum(isinstance(one, PacketTap) for one in gc.get_objects())


def _packets(folder: Path) -> Iterator[EncodedPacket]:
    from tests.unit.device.runtime.sources.test_packets import Taken, play

    taken = Taken()
    play(write_numbered(folder / "c.mp4", "h264", 5), "h264", taken)
    yield from taken.packets
