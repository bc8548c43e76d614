"""Everything of a release is made as its device will make it, and pictures pass the stages that have no state."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

from edgekit.device.runner import Runner, load
from edgekit.device.runtime.golden import Passage
from edgekit.device.runtime.grab import grab_frames
from edgekit.device.runtime.rehearsal.plain import plain_detection
from edgekit.device.runtime.rehearsal.recorded import Recorded
from edgekit.device.runtime.rehearsal.watch import MAKING, CannotTry, Watch
from edgekit.device.runtime.sinks import make_sink
from edgekit.device.runtime.sinks.context import SinkContext
from edgekit.device.runtime.sinks.own import OwnSink
from edgekit.device.runtime.sources.opening import open_source
from edgekit.device.runtime.stages import check_threads, close_stage, find_class, is_stateless, reset_stage
from edgekit.device.runtime.stages.factory import StageFactory
from edgekit.device.runtime.streams import PipelineFigures
from edgekit.imaging.image import FrameSpec
from edgekit.schema.detection import Detection
from edgekit.schema.plan import StagePlan
from edgekit.schema.rehearsal import Grab, RehearsalReply, RehearsalRequest, RehearsedStream, Untried
from edgekit.schema.source import RecipeSource
from edgekit.stage import Frame, Stage, StreamInfo

T = TypeVar("T")
_ADDS = "crops"
"""A kind that only adds to detections: without it the others can be judged."""
_USUAL = FrameSpec(width_px=1920, height_px=1080, matrix="709", range="limited", siting="left")
"""What most cameras give: stages are tried with it."""


class _WatchedStage(Stage):
    """A stage whose every step is watched."""

    def __init__(self, stage: Stage, name: str, watch: Watch) -> None:
        self._stage, self._name, self._watch = stage, name, watch

    def __call__(self, frame: Frame) -> Frame | None:
        doing = f"running {self._name} on {self._watch.picture}"
        try:
            with self._watch.step(doing):
                return self._stage(frame)
        except CannotTry as reason:
            raise CannotTry(f"{doing}: {reason}") from None

    def reset(self) -> None:
        with self._watch.step(f"resetting {self._name}"):
            reset_stage(self._stage)

    def close(self) -> None:
        with self._watch.step(f"closing {self._name}"):
            close_stage(self._stage)


class RehearsalRun:
    """One request, carried out."""

    def __init__(self, request: RehearsalRequest, watch: Watch) -> None:
        """Load what stands in for engines.

        Raises:
            InputError: an engine does not take what its contract says.
        """
        self._watch, self._pictures, self._grab = watch, tuple(map(Path, request.pictures)), request.grab
        self._plan, self._release = request.plan, Path(request.release)
        self._untried: dict[str, str] = {}
        self._streams: list[RehearsedStream] = []
        self._recorded = {
            name: Recorded(Path(file), self._plan.engines[name].contract) for name, file in request.answers.items()
        }
        runners: dict[str, Runner] = {name: recorded.runner for name, recorded in self._recorded.items()}
        for name in sorted(self._plan.engines.keys() - runners.keys()):
            with watch.step(f"loading engine {name}"):
                runners[name] = load(self._plan.engines[name], self._release)
        self._factory = StageFactory(self._plan, self._release, runners)

    def run(self) -> RehearsalReply:
        """Make everything, then let the pictures pass.

        Raises:
            InputError: something would fail on the device too.
        """
        classes = {stage.name: self._import(stage) for stage in self._plan.stages}
        check_threads(self._plan)
        for name, cls in classes.items():
            if getattr(cls, "board_only", False):
                self._untried[name] = "it is board_only"
        for stage in self._plan.stages:
            if stage.kind == _ADDS and stage.engine in self._recorded:
                self._untried[stage.name] = f"what {stage.engine} says of crops is known on a board alone"
        self._make_all()
        passed: list[StagePlan] = []
        for stage in self._plan.stages:
            if stage.name in self._untried and stage.kind == _ADDS:
                continue
            if stage.name in self._untried:
                return self._reply(passed, unjudged=f"stage {stage.name}: {self._untried[stage.name]}")
            if not is_stateless(classes[stage.name]):
                break
            passed.append(stage)
        if self._grab is not None:
            self._pictures = self._grabbed(self._grab)
        try:
            return self._reply(passed, pictures=self._find(passed))
        except CannotTry as reason:
            return self._reply(passed, unjudged=str(reason))

    def _import(self, stage: StagePlan) -> object:
        return self._try(stage, "importing", lambda: find_class(stage.kind, stage.entry))

    def _make_all(self) -> None:
        """Sources, stages and sinks, as the device's pipeline makes them."""
        for name, source in self._plan.sources.items():
            known = self._open(name, source)
            if known is not None:
                spec = known.spec
                matrix = spec.matrix if isinstance(spec, FrameSpec) else None
                self._streams.append(RehearsedStream(name=name, matrix=matrix, range=spec.range))
            info = known or StreamInfo(name=name, spec=_USUAL, fps=25.0)  # a camera is not asked here
            made = [self._make(stage, info) for stage in self._plan.stages]
            for stage in made:
                close_stage(stage)
        with self._watch.step("closing what stages share"):
            self._factory.close()
        with TemporaryDirectory() as work:
            for name in self._plan.sinks:
                try:
                    self._make_sink(name, Path(work))
                except CannotTry as reason:
                    self._untried[f"sinks.{name}"] = str(reason)

    def _open(self, name: str, source: RecipeSource) -> StreamInfo | None:
        """What a source's frames are; None where it does not know yet, or this machine cannot try it."""
        try:
            with self._watch.step(f"opening source {name}"):
                opened = open_source(name, source, self._release)
                opened.close()
        except CannotTry as reason:
            self._untried[f"sources.{name}"] = str(reason)
            return None
        return opened.info

    def _make_sink(self, name: str, work: Path) -> None:
        with self._watch.step(f"{MAKING} sink {name}"):
            context = SinkContext(
                name=name, plan=self._plan, release=self._release, work=work, figures=PipelineFigures()
            )
            sink = make_sink(context)
            if isinstance(sink, OwnSink):
                sink.rehearse()
            sink.close()

    def _make(self, stage: StagePlan, stream: StreamInfo) -> Stage | None:
        made = self._try(stage, MAKING, lambda: self._factory.make(stage, stream))
        return None if made is None else _WatchedStage(made, _named(stage), self._watch)

    def _try(self, stage: StagePlan, doing: str, act: Callable[[], T]) -> T | None:
        """Do one step of a stage; None where this machine cannot."""
        if stage.name in self._untried:
            return None
        try:
            with self._watch.step(f"{doing} {_named(stage)}"):
                return act()
        except CannotTry as reason:
            self._untried[stage.name] = str(reason)
            return None

    def _grabbed(self, grab: Grab) -> tuple[Path, ...]:
        name, source = next(iter(self._plan.sources.items()))
        with self._watch.step(f"taking frames from source {name}"):
            return grab_frames(name, source, self._release, grab)

    def _find(self, stages: list[StagePlan]) -> tuple[tuple[Detection, ...], ...]:
        """What stages find in each picture."""
        found = []
        with closing(self._factory), closing(Passage(stages, self._make_for_pictures)) as passage:
            for index, picture in enumerate(self._pictures):
                self._watch.picture = picture.name
                for name in {stage.engine for stage in stages} & self._recorded.keys():
                    self._recorded[name].turn_to(index)
                detections = passage.find(picture)
                with self._watch.step(f"reading what was found in {picture.name}"):
                    found.append(tuple(map(plain_detection, detections)))
        return tuple(found)

    def _make_for_pictures(self, stage: StagePlan, stream: StreamInfo) -> Stage:
        made = self._make(stage, stream)
        if made is None:
            raise CannotTry(f"stage {stage.name}: {self._untried[stage.name]}")
        return made

    def _reply(
        self, passed: list[StagePlan], *, pictures: tuple[tuple[Detection, ...], ...] = (), unjudged: str = ""
    ) -> RehearsalReply:
        return RehearsalReply(
            passed=tuple(stage.name for stage in passed),
            pictures=pictures,
            grabbed=tuple(map(str, self._pictures)) if self._grab else (),
            unjudged=unjudged,
            streams=tuple(self._streams),
            untried=tuple(Untried(stage=name, reason=reason) for name, reason in self._untried.items()),
        )


def _named(stage: StagePlan) -> str:
    return f"stage {stage.name} ({stage.entry or stage.kind})"
