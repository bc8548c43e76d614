"""What a lane does with an entry: its stages, each with an object for every stream, and its sinks, which fail alone."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol

from edgekit.device.runtime.failures import FailureLog
from edgekit.device.runtime.figures import LaneFigures
from edgekit.device.runtime.frames.leases import adopt
from edgekit.device.runtime.frames.stream import (
    StreamEnded,
    StreamEvent,
    StreamGap,
    StreamLost,
    StreamRestarted,
    StreamStarted,
)
from edgekit.device.runtime.sinks import Sink
from edgekit.device.runtime.stages import close_stage, reset_stage
from edgekit.errors import EdgekitError
from edgekit.stage import Frame, Stage, StreamInfo


class FrameFailed(Exception):
    """A step cannot work on this frame; why is in the log."""


class Step(Protocol):
    """One step of a lane. One thread calls `frame`; any of the lane's calls `event`, while none works on its stream."""

    name: str

    def frame(self, frame: Frame) -> Frame | None:
        """Work on a frame; None ends its way here.

        Raises:
            FrameFailed: the frame is dropped as an error.
        """

    def event(self, event: StreamEvent) -> None:
        """Something happened to a stream. Raises nothing."""

    def close(self) -> None:
        """No entry follows."""


class StageStep:
    """A stage of the recipe: one object for each stream, made before its first frame."""

    def __init__(
        self, name: str, make: Callable[[StreamInfo], Stage], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.name = name
        self._make = make
        self._log = FailureLog(f"stage {name}", clock)
        self._stages: dict[str, tuple[StreamInfo, Stage]] = {}

    def prepare(self, info: StreamInfo) -> None:
        """Make the stream's object now, so that what cannot be made is known before anything starts.

        Raises:
            InputError: it cannot be made.
        """
        self._stages[info.name] = (info, self._make(info))

    def frame(self, frame: Frame) -> Frame | None:
        """See `Step.frame`."""
        made = self._stages.get(frame.stream)
        if made is None:
            raise FrameFailed(f"stage {self.name} could not be made for stream {frame.stream}")
        try:
            result = made[1](frame)
            return result if result is frame or result is None else adopt(frame, result)
        except SystemExit as error:  # a thread would end by it without a word
            message = f"stage {self.name} called sys.exit({error.code!r})"
            raise EdgekitError(message, hint="let the stage raise an error, or return None to drop a frame") from None
        except Exception as error:
            self._log.write("failed on a frame, which is dropped", error)
            raise FrameFailed(self.name) from error

    def event(self, event: StreamEvent) -> None:
        """See `Step.event`. A stage that fails on it is closed; frames of its stream then fail here."""
        try:
            self._follow(event)
        except (Exception, SystemExit) as error:
            self._log.write(f"failed when stream {event.stream} {_what(event)}", error)
            self._close(event.stream)

    def close(self) -> None:
        """See `Step.close`."""
        for stream in list(self._stages):
            self._close(stream)

    def _follow(self, event: StreamEvent) -> None:
        match event:
            case StreamStarted(info=info) | StreamRestarted(info=info):
                known, stage = self._stages.get(info.name, (None, None))
                if known != info:
                    self._close(info.name)
                    self.prepare(info)
                elif isinstance(event, StreamRestarted):
                    reset_stage(stage)
            case StreamGap(stream=stream, missing=missing):
                _, stage = self._stages.get(stream, (None, None))
                if gap := getattr(stage, "gap", None):
                    gap(missing)
            case StreamEnded(stream=stream):
                self._close(stream)
            case StreamLost():
                pass

    def _close(self, stream: str) -> None:
        _, stage = self._stages.pop(stream, (None, None))
        try:
            close_stage(stage)
        except (Exception, SystemExit) as error:
            self._log.write("failed while it was closed", error)


class SinkStep:
    """A sink. What it cannot take is counted and logged, and costs nobody else anything."""

    def __init__(
        self,
        name: str,
        sink: Sink,
        *,
        taken: Callable[[Frame], None],
        figures: LaneFigures,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Make the step.

        Args:
            name: the sink's.
            sink: takes results.
            taken: called with each frame that the sink has taken.
            figures: its lane's; frames that it has not taken are counted there.
            clock: monotonic seconds.
        """
        self.name = name
        self._sink, self._taken, self._figures = sink, taken, figures
        self._log = FailureLog(f"sink {name}", clock)

    def frame(self, frame: Frame) -> Frame:
        """See `Step.frame`. The next sink gets the frame in any case."""
        try:
            self._sink.take(frame)
        except Exception as error:
            self._log.write("failed on a frame", error)
            self._figures.drop(frame.stream, self.name, "error")
        else:
            self._taken(frame)
        return frame

    def event(self, event: StreamEvent) -> None:
        """See `Step.event`."""
        try:
            self._sink.follow(event)
        except Exception as error:
            self._log.write(f"failed when stream {event.stream} {_what(event)}", error)

    def close(self) -> None:
        """See `Step.close`."""
        try:
            self._sink.close()
        except Exception as error:
            self._log.write("failed while it was closed", error)


def _what(event: StreamEvent) -> str:
    match event:
        case StreamStarted():
            return "started"
        case StreamGap():
            return "had a gap"
        case StreamRestarted():
            return "restarted"
        case StreamLost():
            return "was lost"
        case StreamEnded():
            return "ended"
