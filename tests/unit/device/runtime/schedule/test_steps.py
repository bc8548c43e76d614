"""Stages have an object for each stream, and sinks fail alone."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from edgekit.device.runtime.figures import LaneFigures
from edgekit.device.runtime.frames.stream import StreamEnded, StreamEvent, StreamGap, StreamRestarted, StreamStarted
from edgekit.device.runtime.schedule.steps import FrameFailed, SinkStep, StageStep
from edgekit.errors import EdgekitError, InputError
from edgekit.stage import Frame, Stage, StreamInfo
from tests.fakes.clock import Clock
from tests.fakes.frames import frame, stage_context, stream_info


class Sum(Stage):
    """Counts the frames of its stream, and notes what happens to it."""

    def __init__(self, info: StreamInfo, notes: list[str]) -> None:
        super().__init__(stage_context(stream=info))
        self.info, self.notes, self.frames = info, notes, 0
        notes.append(f"made {info.name}")

    def __call__(self, frame: Frame) -> Frame | None:
        assert frame.stream == self.info.name
        self.frames += 1
        frame.counts = {"frames": self.frames}
        return frame

    def reset(self) -> None:
        self.frames = 0

    def gap(self, missing: int) -> None:
        self.frames += missing

    def close(self) -> None:
        self.notes.append(f"closed {self.info.name}")


class Bare:
    """A stage that has nothing but what it must have."""

    def __call__(self, frame: Frame) -> Frame | None:
        return frame


def summing(*streams: str) -> tuple[StageStep, list[str]]:
    notes: list[str] = []
    step = StageStep("sum", lambda info: Sum(info, notes), Clock())
    for name in streams:
        step.prepare(stream_info(name))
    return step, notes


def counted(step: StageStep, stream: str) -> int:
    made = step.frame(frame(0, stream))
    assert made is not None
    return made.counts["frames"]


def restarted(info: StreamInfo) -> StreamRestarted:
    return StreamRestarted(info=info, again="pass", reason="")


def test_streams_have_states_of_their_own() -> None:
    step, notes = summing("a", "b")
    step.event(StreamStarted(info=stream_info("a")))
    assert [counted(step, "a"), counted(step, "a"), counted(step, "b")] == [1, 2, 1]
    step.event(restarted(stream_info("a")))
    assert [counted(step, "a"), counted(step, "b")] == [1, 2]
    step.event(StreamGap(stream="b", missing=3))
    assert [counted(step, "a"), counted(step, "b")] == [2, 6]
    assert notes == ["made a", "made b"], "once, before the start"


def test_a_stream_that_ends_closes_its_own_object_alone() -> None:
    step, notes = summing("a", "b")
    step.event(StreamEnded(stream="a", reason=""))
    assert notes[2:] == ["closed a"]
    step.close()
    assert notes[3:] == ["closed b"]


def test_a_stream_that_comes_back_in_another_size_gets_another_object() -> None:
    step, notes = summing("a")
    counted(step, "a")
    step.event(restarted(stream_info("a", fps=25.0)))
    assert notes == ["made a", "closed a", "made a"] and counted(step, "a") == 1


def test_a_stream_that_nobody_knew_before_is_made_when_it_starts() -> None:
    step, notes = summing()
    step.event(StreamStarted(info=stream_info("late")))
    assert notes == ["made late"] and counted(step, "late") == 1


def test_a_stage_needs_nothing_but_a_call() -> None:
    step = StageStep("bare", lambda _info: Bare(), Clock())  # type: ignore[arg-type, return-value]
    for event in (
        StreamStarted(info=stream_info()),
        StreamGap(stream="belt", missing=1),
        restarted(stream_info()),
        StreamEnded(stream="belt", reason=""),
    ):
        if isinstance(event, StreamEnded):
            assert step.frame(frame(0)) is not None
        step.event(event)


def failing(act: Callable[[str], None]) -> StageStep:
    class Fails(Sum):
        def __call__(self, frame: Frame) -> Frame | None:
            act("call")
            return frame

        def reset(self) -> None:
            act("reset")

        def close(self) -> None:
            act("close")

    step = StageStep("bad", lambda info: Fails(info, []), Clock())
    step.prepare(stream_info())
    return step


def test_an_error_fails_the_frame_and_is_logged_now_and_then(capsys: pytest.CaptureFixture[str]) -> None:
    clock = Clock()

    class Bad(Bare):
        def __call__(self, frame: Frame) -> Frame | None:
            raise ValueError(f"frame {frame.sequence}")

    step = StageStep("bad", lambda _info: Bad(), clock)  # type: ignore[arg-type, return-value]
    step.prepare(stream_info())
    for sequence in range(3):
        with pytest.raises(FrameFailed):
            step.frame(frame(sequence))
    clock.advance(10.0)
    with pytest.raises(FrameFailed):
        step.frame(frame(3))
    logged = capsys.readouterr().err
    assert [number for number in range(4) if f"ValueError: frame {number}" in logged] == [0, 3]
    assert "stage bad failed on a frame, which is dropped" in logged


def test_a_stage_that_leaves_the_process_is_a_failure() -> None:
    def leave(doing: str) -> None:
        if doing == "call":
            raise SystemExit(5)

    with pytest.raises(EdgekitError, match=r"stage bad called sys\.exit\(5\)"):
        failing(leave).frame(frame(0))


@pytest.mark.parametrize("error", [RuntimeError("stuck"), SystemExit("stuck")])
@pytest.mark.parametrize("doing", ["reset", "close"])
def test_an_object_that_cannot_follow_its_stream_fails_that_stream_until_it_restarts(
    doing: str, error: BaseException, capsys: pytest.CaptureFixture[str]
) -> None:
    def act(done: str) -> None:
        if done == doing:
            raise error

    step = failing(act)
    step.event(restarted(stream_info()) if doing == "reset" else StreamEnded(stream="belt", reason=""))
    with pytest.raises(FrameFailed):
        step.frame(frame(0))
    assert f"{type(error).__name__}: stuck" in capsys.readouterr().err
    step.event(restarted(stream_info()))
    assert step.frame(frame(1)) is not None


def test_what_cannot_be_made_is_known_before_the_start(capsys: pytest.CaptureFixture[str]) -> None:
    def make(info: StreamInfo) -> Stage:
        raise InputError("no such option", hint="")

    step = StageStep("bad", make, Clock())
    with pytest.raises(InputError):
        step.prepare(stream_info())
    step.event(StreamStarted(info=stream_info()))
    with pytest.raises(FrameFailed):
        step.frame(frame(0))
    assert "failed when stream belt started" in capsys.readouterr().err


class FakeSink:
    def __init__(self, error: Exception | None = None) -> None:
        self.error, self.seen, self.closed = error, list[object](), False

    def take(self, frame: Frame) -> None:
        if self.error:
            raise self.error
        self.seen.append(frame.sequence)

    def follow(self, event: StreamEvent) -> None:
        if self.error:
            raise self.error
        self.seen.append(event)

    def close(self) -> None:
        if self.error:
            raise self.error
        self.closed = True


def test_a_sink_that_fails_costs_the_next_one_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    figures, taken = LaneFigures("out", Clock()), list[int]()
    bad, good = FakeSink(OSError(28, "No space left on device")), FakeSink()
    steps = [
        SinkStep(name, sink, taken=lambda one: taken.append(one.sequence), figures=figures, clock=Clock())
        for name, sink in (("disk", bad), ("mqtt", good))
    ]
    end = StreamEnded(stream="belt", reason="")
    for entry in (frame(0), frame(1)):
        for step in steps:
            assert step.frame(entry) is entry
    for step in steps:
        step.event(end)
        step.close()
    assert good.seen == [0, 1, end] and good.closed
    assert taken == [0, 1]
    assert figures.drops == {("belt", "disk", "error"): 2}
    assert "sink disk failed on a frame" in capsys.readouterr().err


@pytest.mark.parametrize("doing", ["when stream belt ended", "while it was closed"])
def test_a_sink_that_cannot_follow_is_logged(doing: str, capsys: pytest.CaptureFixture[str]) -> None:
    sink = FakeSink(OSError("gone"))
    step = SinkStep("net", sink, taken=lambda _one: None, figures=LaneFigures("out", Clock()), clock=Clock())
    if doing.startswith("when"):
        step.event(StreamEnded(stream="belt", reason=""))
    else:
        step.close()
    assert f"sink net failed {doing}" in capsys.readouterr().err
