"""A camera's life on a virtual clock: lost in every way, back by itself, told as it is, and never too often asked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice

import numpy as np
import pytest

from edgekit.device.runtime.figures import LaneFigures
from edgekit.device.runtime.frames.stream import Entry, StreamGap, StreamLost, StreamRestarted, StreamStarted
from edgekit.device.runtime.sources.live import Backoff, CameraLost, LiveCamera, Shot, Timing
from edgekit.errors import InputError
from edgekit.imaging.image import RgbImage
from edgekit.schema.source import RtspSource
from edgekit.stage import Frame, StreamInfo
from tests.fakes.clock import Clock
from tests.fakes.frames import stream_info

OPTIONS = RtspSource(kind="rtsp", url="rtsp://c/1", lane="l", stall_s=2.0, frozen_s=3.0, backoff_s=8.0)
Step = int | str | float | Exception
"""A picture of this level, `damaged`, `overtaken`, seconds that pass, or how it ends."""


class FakeConnection:
    """Does its steps."""

    def __init__(self, clock: Clock, steps: Sequence[Step], info: StreamInfo) -> None:
        self._clock, self._steps, self.info = clock, steps, info
        self.closed = False

    def shots(self, figures: LaneFigures) -> Iterator[Shot | None]:
        missing = overtaken = 0
        for step in self._steps:
            match step:
                case int():
                    pixels = np.full((16, 16, 3), step, np.uint8)
                    image = RgbImage(pixels=pixels, order="BGR")
                    yield Shot(
                        image=image, captured_s=self._clock(), camera_s=7.0, missing=missing, overtaken=overtaken
                    )
                    missing = overtaken = 0
                case "overtaken":
                    overtaken += 1
                case str():
                    missing += 1
                    yield None
                case float():
                    self._clock.advance(step)
                case _:
                    raise step
        raise CameraLost("down", "the camera ended the connection")

    def close(self) -> None:
        self.closed = True


class Bench:
    """A camera whose connections go as a test says; after them, none can be made."""

    def __init__(self, *connections: Sequence[Step] | Exception, options: RtspSource = OPTIONS) -> None:
        self.clock = Clock(0.0)
        self.pauses: list[float] = []
        self.made: list[FakeConnection] = []
        self.info = stream_info("gate")
        self._left = list(connections)
        timing = Timing(clock=self.clock, wait=self._wait, uniform=lambda _low, high: high)
        self.camera = LiveCamera(
            "gate", options, self._connect, hide=lambda text: text.replace("s3cret", "***"), timing=timing
        )
        self.figures = LaneFigures("camera/gate", self.clock)

    def _connect(self) -> FakeConnection:
        if not self._left:
            self.camera.stop()
            raise CameraLost("down", "over")
        steps = self._left.pop(0)
        if isinstance(steps, Exception):
            raise steps
        self.made.append(FakeConnection(self.clock, steps, self.info))
        return self.made[-1]

    def _wait(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.clock.advance(seconds)

    def play(self) -> list[Entry]:
        return list(islice(self.camera.entries(self.figures), 500))


def hide(text: str) -> str:
    return text.replace("s3cret", "***")


def words(entries: list[Entry]) -> list[str | int]:
    found: list[str | int] = []
    for entry in entries:
        match entry:
            case Frame():
                found.append(entry.sequence)
            case StreamLost():
                found.append(entry.state)
            case StreamStarted():
                found.append("started")
            case StreamRestarted():
                found.append(f"{entry.again}: {entry.reason}")
            case StreamGap():
                found.append(f"gap of {entry.missing}")
    return found


def test_what_was_overtaken_is_counted_and_keeps_its_number() -> None:
    bench = Bench([1, "overtaken", "overtaken", 2, 3])
    assert words(bench.play())[:4] == ["started", 0, 3, 4]
    assert bench.figures.drops == {("gate", "camera/gate", "drop_oldest"): 2}


def test_it_starts_is_lost_and_comes_back_with_numbers_that_rise() -> None:
    bench = Bench([1, 2, CameraLost("stalled", "nothing came for 2 s")], [3])
    assert words(bench.play()) == [
        "started",
        0,
        1,
        "stalled",
        "reconnect: it was stalled: nothing came for 2 s",
        2,
        "down",
        "down",
    ]
    assert all(connection.closed for connection in bench.made)


def test_a_camera_that_is_not_there_at_first_is_waited_for() -> None:
    bench = Bench(CameraLost("down", "refused"), CameraLost("down", "refused"), [1])
    seen = bench.play()
    assert words(seen) == ["down", "started", 0, "down", "down"], "told once, however often it is tried"
    assert isinstance(seen[0], StreamLost) and seen[0].reason == "refused"


def test_pauses_grow_to_their_bound_and_are_short_again_after_a_steady_while() -> None:
    refused = [CameraLost("down", "refused")] * 6
    bench = Bench(*refused, [1, 20.0, 2], CameraLost("down", "refused"), [1], *refused[:2])
    bench.play()
    assert bench.pauses == [0.5, 1.0, 2.0, 4.0, 8.0, 8.0, 0.5, 1.0, 2.0, 4.0, 8.0]


def test_pauses_are_not_the_same_on_every_board() -> None:
    backoff = Backoff(8.0, lambda low, high: (low + high) / 2)
    assert [backoff.pause_s() for _ in range(3)] == [0.375, 0.75, 1.5]
    real = [Backoff(8.0).pause_s() for _ in range(50)]
    assert len(set(real)) > 40 and all(0.25 <= pause <= 0.5 for pause in real)


def test_a_frozen_camera_is_restarted_and_its_picture_is_no_news() -> None:
    """Same bits for `frozen_s`: connected anew; what it then shows counts only once it is another picture."""
    same: list[Step] = [5, 1.0] * 10
    bench = Bench([1, 5, 1.0, 5, 1.0, 5, 1.0, 5, 1.0, 5], same, [5, 1.0, 6])
    found = words(bench.play())
    assert found[:7] == ["started", 0, 1, 2, 3, 4, "frozen"]
    assert found[7:] == ["reconnect: it was frozen: the same picture for 3 s", 10, "down", "down"]
    assert bench.figures.drops == {("gate", "camera/gate", "frozen"): 5}
    assert len(bench.made) == 3 and bench.pauses[:2] == [0.5, 1.0], "each for `frozen_s` anew, ever more slowly"


def test_a_scene_may_be_still_where_the_recipe_says_so() -> None:
    bench = Bench([5, 100.0, 5, 100.0, 5], options=replace(OPTIONS, frozen_s=0.0, stall_s=1000.0))
    assert words(bench.play()) == ["started", 0, 1, 2, "down", "down"]


def test_a_camera_that_sends_what_is_no_picture_is_stalled() -> None:
    bench = Bench([1, "damaged", 1.5, "damaged", 1.0, "damaged", 2])
    seen = bench.play()
    assert words(seen) == ["started", 0, "stalled", "down"]
    assert isinstance(seen[2], StreamLost) and seen[2].reason == "no picture for 2 s in what it sends"


def test_a_damaged_packet_costs_its_picture_and_no_more() -> None:
    bench = Bench([1, "damaged", 2, 3])
    assert words(bench.play()) == ["started", 0, "gap of 1", 2, 3, "down", "down"]
    assert bench.figures.drops == {("gate", "camera/gate", "damaged"): 1}


def test_another_size_after_it_came_back_is_told() -> None:
    bench = Bench([1], [2])
    seen: list[Entry] = []
    for entry in bench.camera.entries(bench.figures):
        seen.append(entry)
        bench.info = stream_info("gate", fps=5.0)
    infos = [entry.info.fps for entry in seen if isinstance(entry, StreamStarted | StreamRestarted)]
    assert infos == [10.0, 5.0] and bench.camera.info == stream_info("gate", fps=5.0)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (RuntimeError("rtsp://edge:s3cret@c/1 exploded"), "RuntimeError: rtsp://edge:***@c/1 exploded"),
        (InputError("source gate: s3cret colours", hint="say them"), "source gate: *** colours (say them)"),
        (CameraLost("down", "s3cret"), "***"),
    ],
)
def test_no_error_ends_it_and_none_tells_a_secret(
    error: Exception, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    bench = Bench([1, error], [2])
    lost = [entry for entry in bench.play() if isinstance(entry, StreamLost)]
    assert (lost[0].state, lost[0].reason) == ("down", reason)
    assert "s3cret" not in caplog.text and "stream gate is down" in caplog.text


def test_it_stops_between_pictures_and_in_its_pauses() -> None:
    bench = Bench([1, 2, 3])
    seen = []
    for entry in bench.camera.entries(bench.figures):
        seen.append(entry)
        if isinstance(entry, Frame):
            bench.camera.stop()
    assert words(seen) == ["started", 0] and bench.pauses == [] and bench.made[0].closed


def test_frames_carry_both_clocks() -> None:
    bench = Bench([1.5, 1])
    frames = [entry for entry in bench.play() if isinstance(entry, Frame)]
    assert [(one.captured_s, one.camera_s) for one in frames] == [(1.5, 7.0)]


def test_nothing_is_known_of_it_before_its_first_picture() -> None:
    camera = Bench([1]).camera
    assert (camera.name, camera.live, camera.info) == ("gate", True, None)


def test_a_camera_that_is_left_alone_is_disconnected_until_somebody_wants_it_again() -> None:
    bench = Bench([1, 2, 3, 4], [5, 6])
    camera, clock = bench.camera, bench.clock
    entries = camera.entries(bench.figures)
    found = [next(entries), next(entries), next(entries)]
    camera.leave(alone=True)
    found.append(next(entries))
    assert words(found)[1:] == [0, 1, "down"] and bench.made[0].closed
    alone_s = clock() + 60.0

    def wait(seconds: float) -> None:
        clock.advance(seconds)
        assert len(bench.made) == 1, "nobody connects meanwhile"
        if clock() >= alone_s:
            camera.leave(alone=False)

    camera._wait = wait
    back = [next(entries), next(entries)]
    assert words(back)[0] == "reconnect: it was down: left alone: memory is tight" and isinstance(back[1], Frame)
    assert clock() >= alone_s
