"""`python`: a sink of the recipe's own. It is called on a thread of its own, and may fail or hang as it likes."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any, TypeAlias

from edgekit.device.runtime.figures import SinkFigures
from edgekit.device.runtime.frames.stream import (
    StreamEnded,
    StreamEvent,
    StreamGap,
    StreamLost,
    StreamRestarted,
    StreamStarted,
)
from edgekit.device.runtime.sinks.context import SinkContext
from edgekit.device.runtime.sinks.sink_thread import SinkThread
from edgekit.device.runtime.stages import close_stage, import_entry
from edgekit.errors import PicturesFull
from edgekit.results import ResultContext, SceneResult
from edgekit.schema.reader import from_raw
from edgekit.schema.sink import PythonSink
from edgekit.stage import Frame

_MOST_TURNS = 1000
"""Of streams' states, which are never dropped for a result."""
_STUCK_S = 5.0
_MAKE_AGAIN_S = 10.0
_CLOSE_S = 2.0
_Turn: TypeAlias = tuple[str, str, str]
"""A stream, its state, and why."""


class OwnSink:
    """Puts results in line for the recipe's object, and never waits for it."""

    def __init__(
        self, plan: PythonSink, context: SinkContext, figures: SinkFigures, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Find the class and read its options; the object is made on its thread.

        Raises:
            InputError: there is no such class, or its options are wrong.
        """
        self._plan, self._figures, self._clock = plan, figures, clock
        self._class: Any = import_entry("sink", plan.entry)
        options = getattr(self._class, "Options", None)
        self._context = ResultContext(
            name=context.name,
            options=plan.options
            if options is None
            else from_raw(options, plan.options, "recipe.toml", key=f"pipeline.sinks.{context.name}.options"),
            application=context.plan.application,
            release=context.release,
            work=context.work,
        )
        self._line: deque[SceneResult | _Turn] = deque()
        self._results = 0
        """How many of these are results."""
        self._changed = threading.Condition()
        self._closing = False
        self._called_s: float | None = None
        """Since when its code has been running."""
        self._fault = ""
        self._logged_s = float("-inf")
        self._thread = SinkThread(context.name, figures, self._work)

    def rehearse(self) -> None:
        """Make the object and close it again: a build sees so that it can be made, unless only a board can."""
        if not getattr(self._class, "board_only", False):
            close_stage(self._class(self._context))

    def take(self, frame: Frame) -> None:
        """See `Sink.take`."""
        picture = None
        if self._plan.pictures:
            try:
                picture = frame.keep()
            except PicturesFull:
                self._figures.dropped += 1
                return
        result = SceneResult(
            stream=frame.stream,
            sequence=frame.sequence,
            at_s=round(time.time() - (time.monotonic() - frame.captured_s), 3),
            detections=frame.detections,
            counts=frame.counts,
            events=frame.events,
            picture=picture,
        )
        with self._changed:
            if self._results >= self._plan.queue:
                self._drop_oldest()
            self._line.append(result)
            self._results += 1
            self._changed.notify()
        self._thread.start()
        self._tell()

    def follow(self, event: StreamEvent) -> None:
        """See `Sink.follow`."""
        match event:
            case StreamStarted():
                turn = (event.stream, "live", "")
            case StreamRestarted(reason=reason):
                turn = (event.stream, "live", reason)
            case StreamLost(state=state, reason=reason):
                turn = (event.stream, state, reason)
            case StreamEnded(failed=failed, reason=reason):
                turn = (event.stream, "failed" if failed else "ended", reason)
            case StreamGap():
                return
        with self._changed:
            if len(self._line) - self._results < _MOST_TURNS:
                self._line.append(turn)
                self._changed.notify()
        self._thread.start()

    def close(self) -> None:
        """See `Sink.close`. Code that hangs is left behind."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.close(_CLOSE_S)

    def _drop_oldest(self) -> None:
        """With the line's lock."""
        index = next(index for index, one in enumerate(self._line) if isinstance(one, SceneResult))
        dropped = self._line[index]
        del self._line[index]
        _release(dropped)
        self._results -= 1
        self._figures.dropped += 1

    def _tell(self) -> None:
        called_s, self._figures.waiting = self._called_s, self._results
        stuck = called_s is not None and self._clock() - called_s > _STUCK_S
        self._figures.trouble = (
            f"has not come back for {self._clock() - called_s:.0f} s" if stuck and called_s else self._fault
        )

    def _work(self) -> None:
        made = self._made()
        if made is None:
            return
        follow = getattr(made, "follow", None)
        while (next_one := self._next()) is not None:
            if isinstance(next_one, SceneResult):
                self._call(made, next_one)
                _release(next_one)
            elif follow is not None:
                self._call(partial(follow, *next_one[:2]), next_one[2])
        self._call(close_stage, made)

    def _next(self) -> SceneResult | _Turn | None:
        with self._changed:
            while not self._line and not self._closing:
                self._changed.wait()
            if not self._line:
                return None
            found = self._line.popleft()
            self._results -= isinstance(found, SceneResult)
            return found

    def _made(self) -> Any:
        """The object, as soon as it can be made."""
        while True:
            try:
                return self._class(self._context)
            except (Exception, SystemExit) as error:
                self._fail("cannot be made", error)
            with self._changed:
                if self._changed.wait_for(lambda: self._closing, _MAKE_AGAIN_S):
                    return None

    def _call(self, act: Callable[[Any], object], what: Any) -> None:
        self._called_s = self._clock()
        try:
            act(what)
        except (Exception, SystemExit) as error:
            self._figures.dropped += isinstance(what, SceneResult)
            self._fail("failed", error)
        else:
            self._figures.sent += isinstance(what, SceneResult)
            self._fault = ""
        finally:
            self._called_s = None

    def _fail(self, what: str, error: BaseException) -> None:
        """Told at any time, and written to the log now and then: it may fail on every frame."""
        self._fault = f"{what}: {type(error).__name__}: {error}"[:300]
        if self._clock() - self._logged_s >= _MAKE_AGAIN_S:
            self._logged_s = self._clock()
            self._context.log.error("%s", what, exc_info=error)


def _release(one: SceneResult | _Turn) -> None:
    if isinstance(one, SceneResult) and one.picture is not None:
        one.picture.release()
