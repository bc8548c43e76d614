"""Whoever holds a picture too long is named: stream, picture, owner, place and age."""

from __future__ import annotations

from edgekit.device.runtime.frames.leases import StreamLeases, let_go, note_done, note_step, pass_on
from edgekit.device.runtime.frames.pool import IDLE_S, PicturePool
from edgekit.device.runtime.frames.watch import TOO_LONG_S, LeaseWatch
from edgekit.imaging.image import RgbImage
from tests.fakes.clock import Clock
from tests.fakes.frames import frame


class Bench:
    """A watch that looks once a second."""

    def __init__(self) -> None:
        self.clock, self.said = Clock(), list[str]()
        self.pool = PicturePool(1 << 20, self.clock)
        self.leases = StreamLeases("gate", 3, self.pool, self.clock)
        self.watch = LeaseWatch({"gate": self.leases}, self.pool, self.clock, self.said.append)

    def pass_time(self, seconds: int) -> None:
        for _ in range(seconds):
            self.clock.advance(1.0)
            self.watch.look()


def test_a_lane_that_stands_still_is_named_within_five_seconds_and_then_each_minute() -> None:
    bench = Bench()
    made = frame(41, "gate")
    bench.leases.lend(made, "camera/gate")
    pass_on(made, "camera/gate", ["follow"])
    note_step(made, "follow", "track")
    bench.pass_time(2)
    assert bench.said == []
    bench.pass_time(2)
    assert bench.said == ["stream gate: picture 41 is held for 3.0 s by track of lane follow"]
    assert TOO_LONG_S + 1 < 5
    bench.pass_time(30)
    assert len(bench.said) == 1
    bench.pass_time(40)
    assert len(bench.said) == 2
    let_go(made, "follow")
    bench.pass_time(90)
    assert len(bench.said) == 2


def test_a_frame_that_waits_and_an_array_that_is_kept_are_named_too() -> None:
    bench = Bench()
    bench.leases.watched = 9
    waiting, greedy = frame(1, "gate"), frame(2, "gate")
    for made in (waiting, greedy):
        bench.leases.lend(made, "camera/gate")
        pass_on(made, "camera/gate", ["follow"])
    note_step(greedy, "follow", "remember")
    assert isinstance(greedy.image, RgbImage)
    kept = greedy.image.pixels[0]
    note_done(greedy, "follow", "remember")
    let_go(greedy, "follow")
    bench.pass_time(4)
    assert sorted(bench.said) == [
        "stream gate: picture 1 is held for 3.0 s: it waits in front of lane follow",
        "stream gate: picture 2: an array of it is still held 3.0 s after its frame has ended, remember of lane "
        "follow has kept it; it takes one of 3 leases: keep a copy with frame.keep()",
    ]
    del kept
    bench.pass_time(100)
    assert len(bench.said) == 3, "only the one that still waits"


def test_the_pool_is_tidied_up() -> None:
    bench = Bench()
    bench.pool.copy(frame(0).image, "a")
    assert bench.pool.bytes
    bench.pass_time(int(IDLE_S) + 1)
    assert bench.pool.bytes == 0
