"""No torn, stale or doubly owned frame, whatever streams, lanes, stages and those who keep pictures do.

A decoder here uses its memory again as soon as nobody looks at it, as FFmpeg does, and each picture is its frame's
number in every sample: a picture that ends too early, or a lease that two frames have, shows as a wrong number.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from edgekit.device.runtime.frames.pool import PicturePool
from edgekit.device.runtime.frames.stream import Entry, StreamEnded, StreamLost, StreamRestarted
from edgekit.device.runtime.pipeline import Pipeline
from edgekit.imaging.copying import planes_of
from edgekit.imaging.image import FrameSpec, Image, Pixels
from edgekit.stage import Frame, FrameReleased, KeptPicture
from tests.fakes.frames import stream_info
from tests.fakes.pipelines import FakeFactory, FakeSink, FakeSource, fake_pipeline

SPEC = FrameSpec(width_px=16, height_px=8, matrix="709", range="limited", format="NV12")
STREAMS = ("camera", "clip", "other")
QUEUE = 2
ACTS = ("pass", "drop", "fail", "renew", "keep", "grab", "remember", "stale")


@dataclass(eq=False)
class Decoder:
    """Gives numbered pictures of one stream, in memory that is used again when the last array of it is gone."""

    stream: str
    surfaces: PicturePool = field(default_factory=PicturePool)
    sequence: int = -1

    def frame(self) -> Frame:
        self.sequence += 1
        image = self.surfaces.picture(SPEC, "decoder")
        for plane in planes_of(image):
            plane.fill(self.sequence % 251)
            plane.flags.writeable = False
        return Frame(stream=self.stream, sequence=self.sequence, captured_s=0.0, image=image)


def check(image: Image, sequence: int) -> None:
    """The picture is this frame's, all of it."""
    for plane in planes_of(image):
        assert (plane == sequence % 251).all(), f"frame {sequence} shows {np.unique(plane)}"


class EndlessSource(FakeSource):
    """What a test lets it give, entry by entry."""

    def __init__(self, decoder: Decoder, *, live: bool) -> None:
        super().__init__(decoder.stream, entries=iter(()))
        self.live, self.decoder = live, decoder
        self.next: Entry | None = None

    def give(self) -> Iterator[Entry]:
        """For `Feed.turn`."""
        while True:
            entry, self.next = self.next, None
            yield entry if entry is not None else self.decoder.frame()
            del entry


class Frames(RuleBasedStateMachine):
    """Three streams through two stages to two sinks on lanes of their own, a turn at a time."""

    def __init__(self) -> None:
        super().__init__()
        self.act = "pass"
        self.kept: list[tuple[KeptPicture, int]] = []
        self.grabbed: list[tuple[Pixels, int]] = []
        self.remembered: list[Frame] = []
        self.ended: list[Frame] = []
        self.under_way: dict[tuple[str, int], int] = {}
        acts = {"work": self.work, "look": self.look}
        factory = FakeFactory(acts, STREAMS, {"disk": "disk", "net": "net"}, queue=QUEUE)
        self.sources = {name: EndlessSource(Decoder(name), live=name != "clip") for name in STREAMS}
        sinks = {"disk": CheckingSink(), "net": CheckingSink()}
        self.pipeline: Pipeline = fake_pipeline(self.sources.values(), sinks, factory=factory)
        self.entries = {name: source.give() for name, source in self.sources.items()}
        self.feeds = {feed.stream.name: feed for feed in self.pipeline.feeds}

    def work(self, frame: Frame) -> Frame | None:
        """The first stage: does what the last rule said."""
        check(frame.image, frame.sequence)
        match self.act:
            case "drop":
                self.ended.append(frame)
                return None
            case "fail":
                self.ended.append(frame)
                raise ValueError("bad")
            case "renew":
                self.ended.append(frame)
                return Frame(stream=frame.stream, sequence=frame.sequence, captured_s=0.0, image=frame.image)
            case "keep":
                self.kept.append((frame.keep(), frame.sequence))
            case "grab":
                self.grabbed.append((planes_of(frame.image)[1][1:3], frame.sequence))
            case "remember":
                self.remembered.append(frame)
            case "stale" if self.remembered:
                return self.remembered[0]
        return frame

    def look(self, frame: Frame) -> Frame:
        check(frame.image, frame.sequence)
        return frame

    @rule(stream=st.sampled_from(STREAMS))
    def decode(self, stream: str) -> None:
        feed, source = self.feeds[stream], self.sources[stream]
        lane = feed.following[0]
        free = source.live or feed.leases.held < feed.leases.most
        if free and lane.queues.has_room(stream):  # many events fill the line of a camera too
            assert feed.turn(self.entries[stream])

    @rule(stream=st.sampled_from(("camera", "other")))
    def lose(self, stream: str) -> None:
        source, feed = self.sources[stream], self.feeds[stream]
        if not feed.following[0].queues.has_room(stream):
            return
        source.next = StreamLost(stream=stream, state="down", reason="cut")
        feed.leases.wait_for_all = lambda _within_s: True  # type: ignore[method-assign]  # nobody turns meanwhile
        assert feed.turn(self.entries[stream])
        for lane in self.pipeline.lanes:
            assert all(held.lane != lane.name or held.outlives for held in feed.leases.holders()), "all waited"
        source.next = StreamRestarted(info=stream_info(stream), again="reconnect", reason="back")
        source.decoder = Decoder(stream, sequence=source.decoder.sequence)
        if feed.following[0].queues.has_room(stream):
            assert feed.turn(self.entries[stream])

    @rule(place=st.integers(0, 3), act=st.sampled_from(ACTS), turns=st.integers(1, 4))
    def turn(self, place: int, act: str, turns: int) -> None:
        self.act = act
        for _ in range(turns):
            self.pipeline.lanes[place].turn()
        self.act = "pass"

    @precondition(lambda self: self.kept)
    @rule(first=st.booleans(), forget=st.booleans())
    def release(self, first: bool, forget: bool) -> None:
        kept, _ = self.kept.pop(0 if first else -1)
        if not forget:
            kept.release()

    @precondition(lambda self: self.grabbed)
    @rule(first=st.booleans())
    def let_array_go(self, first: bool) -> None:
        self.grabbed.pop(0 if first else -1)

    @precondition(lambda self: self.remembered)
    @rule()
    def forget_frame(self) -> None:
        self.remembered.pop()

    @invariant()
    def what_is_kept_is_right(self) -> None:
        for kept, sequence in self.kept:
            check(kept.image, sequence)
        for array, sequence in self.grabbed:
            assert (array == sequence % 251).all()
        for frame in self.remembered:
            try:
                check(frame.image, frame.sequence)
            except FrameReleased:
                self.ended.append(frame)
        for frame in self.ended:
            try:
                _ = frame.image
            except FrameReleased:
                continue
            raise AssertionError(f"frame {frame.sequence} has ended and has a picture")
        assert self.pipeline.pool.lent == len(self.kept)

    @invariant()
    def no_lease_is_lent_twice(self) -> None:
        for name, feed in self.feeds.items():
            held = feed.leases.holders()
            numbers = {(one.sequence, one.generation) for one in held}
            assert len({sequence for sequence, _ in numbers}) == len(numbers)
            assert len(numbers) == feed.leases.held <= feed.leases.most
            assert self.sources[name].decoder.surfaces.lent <= feed.leases.most + 1, "the decoder's pool is bounded"

    def teardown(self) -> None:
        """Let everything through: then nothing is held, and every frame was counted once."""
        self.grabbed.clear()
        while any(lane.turn() for lane in self.pipeline.lanes):
            pass
        for name, source in self.sources.items():
            source.next = StreamEnded(stream=name, reason="over")
            assert self.feeds[name].turn(self.entries[name])
        while any(lane.turn() for lane in self.pipeline.lanes):
            pass
        assert [feed.leases.held for feed in self.feeds.values()] == [0, 0, 0]
        assert all(source.decoder.surfaces.lent == 0 for source in self.sources.values())
        dropped: dict[str, int] = {}
        for (stream, place, _), count in self.pipeline.drops().items():
            if place not in ("disk", "net"):
                dropped[stream] = dropped.get(stream, 0) + count
        for name, source in self.sources.items():
            lost_behind = [self.pipeline.drops().get((name, lane, "lost"), 0) for lane in ("disk", "net")]
            arrived = self.pipeline.figures.streams[name].frames
            assert arrived + dropped.get(name, 0) + min(lost_behind) <= source.decoder.sequence + 1
            assert arrived + dropped.get(name, 0) + max(lost_behind) >= source.decoder.sequence + 1


class CheckingSink(FakeSink):
    """Looks at every picture."""

    def take(self, frame: Frame) -> None:
        check(frame.image, frame.sequence)
        super().take(frame)


TestFrames = Frames.TestCase
TestFrames.settings = settings(deadline=None, max_examples=120, stateful_step_count=50)


def test_threads_see_their_own_frames_and_leave_nothing() -> None:
    """Real threads: streams that are cut and come back, stages that keep, drop and fail, sinks at different paces."""
    random = np.random.default_rng(7)
    decoders = {name: Decoder(name) for name in STREAMS}
    kept: list[tuple[KeptPicture, int]] = []
    wrong: list[str] = []
    count = 400

    def entries(name: str) -> Iterator[Entry]:
        for number in range(count):
            yield decoders[name].frame()
            if number % 97 == 96 and name != "clip":
                yield StreamLost(stream=name, state="down", reason="cut")
                decoders[name] = Decoder(name, sequence=decoders[name].sequence)
                yield StreamRestarted(info=stream_info(name), again="reconnect", reason="back")

    def see(frame: Frame) -> Frame | None:
        try:
            check(frame.image, frame.sequence)
        except AssertionError as error:
            wrong.append(str(error))
        chance = random.random()
        if chance < 0.05:
            kept.append((frame.keep(), frame.sequence))
            if len(kept) > 8:
                old, sequence = kept.pop(0)
                check(old.image, sequence)
                old.release()
        if chance > 0.97:
            raise ValueError("bad")
        return None if chance > 0.95 else frame

    class Sink(CheckingSink):
        def take(self, frame: Frame) -> None:
            try:
                super().take(frame)
            except (AssertionError, FrameReleased) as error:
                wrong.append(str(error))

    sources = [FakeSource(name, entries=entries(name)) for name in STREAMS]
    for source in sources[::2]:
        source.live = True
    sinks = {"disk": Sink(), "net": Sink()}
    factory = FakeFactory({"see": see, "again": see}, STREAMS, {"disk": "disk", "net": "net"}, queue=QUEUE)
    pipeline = fake_pipeline(sources, sinks, factory=factory)
    stopped = threading.Event()
    pipeline.start()
    for lane in pipeline.lanes:
        assert lane.ended.wait(60), (lane.name, pipeline.drops(), [feed.leases.holders() for feed in pipeline.feeds])
    assert pipeline.stop() and not stopped.is_set()
    assert wrong == []
    assert [feed.leases.held for feed in pipeline.feeds] == [0, 0, 0]
    assert all(decoder.surfaces.lent == 0 for decoder in decoders.values())
    assert pipeline.pool.lent == len(kept)
    clip = pipeline.figures.streams["clip"].frames
    lost = sum(number for (name, _, cause), number in pipeline.drops().items() if name == "clip")
    assert clip + lost == count, "a recording loses none but by its stages"
