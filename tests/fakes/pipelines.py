"""Pipelines without threads: sources that give what a test says, sinks that remember, lanes that turn when told."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

from edgekit.device.runtime.figures import LaneFigures
from edgekit.device.runtime.frames.stream import Entry, StreamEnded, StreamEvent, StreamStarted
from edgekit.device.runtime.pipeline import Ends, Pipeline
from edgekit.device.runtime.sinks import Sink
from edgekit.device.runtime.stages.factory import StageFactory
from edgekit.device.runtime.streams import PipelineFigures
from edgekit.schema.plan import LanePlan, StagePlan
from edgekit.schema.recipe import DropPolicy
from edgekit.schema.sink import JsonlSink
from edgekit.schema.source import FileSource
from edgekit.stage import Frame, Stage, StreamInfo
from tests.fakes.clock import Clock
from tests.fakes.frames import frame, stream_info
from tests.fakes.plans import python_stage, small_plan

Act = Callable[[Frame], Frame | None]


class FakeSource:
    """A stream of `count` frames, or of the entries that a test gives; `before` is called before each frame."""

    def __init__(
        self,
        name: str,
        count: int = 3,
        entries: Iterable[Entry] | None = None,
        before: Callable[[], None] | None = None,
    ) -> None:
        self.name, self.live = name, False
        self.info: StreamInfo | None = stream_info(name)
        self.before = before
        self._entries = entries if entries is not None else (frame(number, name) for number in range(count))
        self.stopped = self.closed = False

    def entries(self, figures: LaneFigures) -> Iterator[Entry]:
        if self.info is not None:
            yield StreamStarted(info=self.info)
        for entry in self._entries:
            figures.begin("decode")
            figures.end()
            if self.before:
                self.before()
            if self.stopped:
                return
            yield entry
        yield StreamEnded(stream=self.name, reason="no more")

    def stop(self) -> None:
        self.stopped = True

    def close(self) -> None:
        self.closed = True


class FakeSink:
    """Remembers frames as stream and sequence, and events by name."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.seen: list[str] = []
        self.closed = False

    def take(self, frame: Frame) -> None:
        if self.error:
            raise self.error
        self.seen.append(f"{frame.stream}{frame.sequence}")

    def follow(self, event: StreamEvent) -> None:
        self.seen.append(f"{event.stream} {type(event).__name__.removeprefix('Stream').lower()}")

    def close(self) -> None:
        self.closed = True


class FakeStage(Stage):
    """Does what a test says; one object for each stream."""

    def __init__(self, act: Act) -> None:
        self._act = act

    def __call__(self, frame: Frame) -> Frame | None:
        return self._act(frame)


class FakeFactory(StageFactory):
    """Makes stages of functions, and remembers for which streams."""

    def __init__(
        self,
        acts: Mapping[str, Act],
        sources: Iterable[str],
        sinks: Mapping[str, str],
        *,
        queue: int = 1024,
        drop: DropPolicy = "block",
    ) -> None:
        """A plan whose stages each have a lane of their own, named as they are; sinks have the lanes that are given."""
        stages = [self._plan(name) for name in acts]
        lanes = {*acts, *sinks.values(), "camera"}
        plan = small_plan(
            *stages,
            sources={name: FileSource(kind="file", path="c", lane="camera") for name in sources},
            sinks={name: JsonlSink(kind="jsonl", path="-", lane=lane) for name, lane in sinks.items()},
            lanes={name: LanePlan(cpus=(), queue=queue, drop=drop) for name in sorted(lanes)},
        )
        super().__init__(plan, Path(), {})
        self._acts = acts
        self.made: list[tuple[str, str]] = []
        self.closed = False

    @staticmethod
    def _plan(name: str) -> StagePlan:
        made = python_stage(name, "m:C")
        return StagePlan(name=name, kind="python", lane=name, engine="", entry=made.entry, options={})

    def make(self, stage: StagePlan, stream: StreamInfo) -> Stage:
        self.made.append((stage.name, stream.name))
        return FakeStage(self._acts[stage.name])

    def close(self) -> None:
        self.closed = True


def fake_pipeline(
    sources: Iterable[FakeSource],
    sinks: Mapping[str, Sink],
    acts: Mapping[str, Act] | None = None,
    clock: Clock | None = None,
    factory: FakeFactory | None = None,
) -> Pipeline:
    """A pipeline that stands still: `play` turns it. Every sink has a lane of its own, named as it is."""
    there, clock = list(sources), clock or Clock()
    names = [source.name for source in there]
    factory = factory or FakeFactory(acts or {}, names, {name: name for name in sinks})
    ends = Ends(sources={source.name: source for source in there}, sinks=sinks)
    return Pipeline(factory, ends, PipelineFigures(clock), clock)


def play(pipeline: Pipeline) -> None:
    """Let every source play to its end, then every lane turn until nothing is left."""
    for feed in pipeline.feeds:
        feed.play()
    turn(pipeline)


def turn(pipeline: Pipeline) -> None:
    """Let every lane turn until nothing can go on."""
    while sum(lane.turn() for lane in pipeline.lanes):
        pass
