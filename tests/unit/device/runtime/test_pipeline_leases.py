"""Leases in a whole pipeline: every frame's picture ends with its way, however that ends."""

from __future__ import annotations

from functools import partial

import pytest

from edgekit.device.runtime.frames.stream import StreamLost, StreamRestarted
from edgekit.device.runtime.metrics import metrics_text
from edgekit.device.runtime.pipeline import Pipeline
from edgekit.device.runtime.reporting import RunningReports
from edgekit.stage import Frame, FrameReleased, Image, KeptPicture, ModelResult, Pixels, RgbImage
from tests.fakes.clock import Clock
from tests.fakes.frames import frame, stream_info
from tests.fakes.pipelines import FakeFactory, FakeSink, FakeSource, fake_pipeline, play, turn


def held(pipeline: Pipeline) -> int:
    return sum(feed.leases.held for feed in pipeline.feeds)


def image_is_there(frame: Frame) -> bool:
    try:
        return frame.image is not None
    except Exception:
        return False


def test_every_way_of_a_frame_ends_its_picture() -> None:
    seen: list[Frame] = []

    def work(frame: Frame) -> Frame | None:
        seen.append(frame)
        assert image_is_there(frame)
        match frame.sequence:
            case 0:
                return None
            case 1:
                raise ValueError("bad")
            case 2:
                return Frame(stream=frame.stream, sequence=2, captured_s=0.0, image=frame.image)
        return frame

    sinks = {"disk": FakeSink(OSError("full")), "net": (net := FakeSink())}
    pipeline = fake_pipeline([FakeSource("a", 5)], sinks, {"work": work})
    play(pipeline)
    assert [text for text in net.seen if " " not in text] == ["a2", "a3", "a4"]
    assert len(seen) == 5 and not any(image_is_there(frame) for frame in seen)
    assert held(pipeline) == 0 and pipeline.ended


def test_a_models_picture_that_nobody_asked_for_holds_no_frame_back() -> None:
    made: list[ModelResult] = []

    def prepare(frame: Frame) -> Frame:
        result = frame.result("m")
        result.draw(partial(first_pixels, frame.image))
        made.append(result)
        return frame

    def look(frame: Frame) -> Frame:
        if frame.sequence == 1:
            assert frame.result("m").picture is not None
        return frame

    pipeline = fake_pipeline([FakeSource("a", 3)], {"out": FakeSink()}, {"prepare": prepare, "look": look})
    play(pipeline)
    assert held(pipeline) == 0, "results of frames are still held, their pictures are not"
    assert made[1].picture is not None, "it was made in time, and is the frame's own"
    with pytest.raises(FrameReleased, match="the model's picture") as caught:
        _ = made[2].picture
    assert "picture.copy()" in caught.value.hint
    assert ModelResult().picture is None


def first_pixels(image: Image) -> Pixels:
    assert isinstance(image, RgbImage)
    return image.pixels.copy()


def test_what_is_dropped_and_what_waits_at_the_end_give_theirs_back() -> None:
    factory = FakeFactory({}, ["a"], {"slow": "slow"}, queue=2, drop="drop_oldest")
    pipeline = fake_pipeline([FakeSource("a", 9)], {"slow": FakeSink()}, factory=factory)
    pipeline.feeds[0].play()
    assert held(pipeline) == 2 and pipeline.feeds[0].leases.most == 4, "two wait, one at work, one in hand"
    assert pipeline.stop()
    assert held(pipeline) == 0
    assert pipeline.drops() == {("a", "slow", "drop_oldest"): 7, ("a", "slow", "closing"): 2}


def test_a_lost_camera_has_no_frame_left_when_it_is_connected_again() -> None:
    left: list[int] = []
    info = stream_info("a")
    entries = [
        *(frame(number, "a") for number in range(3)),
        StreamLost(stream="a", state="down", reason="cut"),
        StreamRestarted(info=info, again="reconnect", reason="back"),
        frame(7, "a"),
    ]
    source = FakeSource("a", entries=entries, before=lambda: left.append(held(pipeline)))
    pipeline = fake_pipeline([source], {"out": (sink := FakeSink())}, {"work": lambda frame: frame})
    pipeline.feeds[0].play()
    assert left == [0, 1, 2, 3, 0, 0]
    turn(pipeline)
    assert sink.seen == ["a started", "a lost", "a restarted", "a7", "a ended"]
    assert pipeline.drops() == {("a", "work", "lost"): 3}


def test_a_stage_that_keeps_arrays_uses_up_the_leases_of_its_stream_and_is_named(
    caplog: pytest.LogCaptureFixture,
) -> None:
    clock, kept = Clock(), []

    def greedy(frame: Frame) -> Frame:
        assert isinstance(frame.image, RgbImage)
        if frame.stream == "a":
            kept.append(frame.image.pixels[:, :, 1])
        return frame

    factory = FakeFactory({"greedy": greedy}, ["a", "b"], {"out": "out"}, queue=1)
    camera, other = FakeSource("a", 9), FakeSource("b", 9)
    camera.live = other.live = True
    camera.before = other.before = lambda: turn(pipeline)
    pipeline = fake_pipeline([camera, other], {"out": (sink := FakeSink())}, clock=clock, factory=factory)
    play(pipeline)
    assert pipeline.drops() == {("a", "camera/a", "leases"): 4}, "of five leases none is left"
    assert [text for text in sink.seen if text.startswith("b")][1:-1] == [f"b{number}" for number in range(9)]
    reports = RunningReports(pipeline, "", clock)
    clock.advance(4.0)
    reports.make()
    first, second = sorted(record.message for record in caplog.records if record.name == "edgekit.frames")
    assert "stream a: picture 0" in first and "it was last in lane out" in first, "then all steps are watched"
    assert "an array of it is still held 4.0 s after its frame has ended, greedy of lane greedy has kept it" in second
    text = metrics_text(pipeline, clock)
    for sample in (
        'edgekit_leases{stream="a"} 5.0',
        'edgekit_leases_most{stream="a"} 5.0',
        'edgekit_leases_outlived{stream="a"} 5.0',
        'edgekit_leases{stream="b"} 0.0',
        'edgekit_lease_oldest_seconds{lane="greedy",place="greedy",stream="a"} 4.0',
    ):
        assert sample in text, text
    kept.clear()
    assert held(pipeline) == 0


def test_a_stage_keeps_copies_within_the_recipes_limit() -> None:
    kept: list[KeptPicture] = []

    def remember(frame: Frame) -> Frame:
        if len(kept) < 3:
            kept.append(frame.keep())
        return frame

    pipeline = fake_pipeline([FakeSource("a", 9)], {"out": (sink := FakeSink())}, {"remember": remember})
    play(pipeline)
    assert [text for text in sink.seen if " " not in text] == [f"a{number}" for number in range(9)]
    text = metrics_text(pipeline)
    for sample in (
        "edgekit_pool_pictures 3.0",
        "edgekit_pool_copies_total 3.0",
        "edgekit_pool_refused_total 0.0",
        f"edgekit_pool_most_bytes {float(32 << 20)}",
        "edgekit_pool_bytes 12288.0",
    ):
        assert sample.replace(".0", "") in text.replace(".0", "").replace("3.3554432e+07", str(32 << 20)), text
    for one in kept:
        one.release()
    assert pipeline.pool.lent == 0 and held(pipeline) == 0
