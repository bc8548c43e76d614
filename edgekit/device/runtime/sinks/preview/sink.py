"""The sink itself: takes frames on a lane, and puts painter and server behind it."""

from __future__ import annotations

import time

from edgekit.device.runtime.figures import SinkFigures
from edgekit.device.runtime.frames.stream import StreamEvent
from edgekit.device.runtime.sinks.context import SinkContext
from edgekit.device.runtime.sinks.preview.newest import NewestJpegs
from edgekit.device.runtime.sinks.preview.painter import Painter
from edgekit.device.runtime.sinks.preview.scene import scenery_of
from edgekit.device.runtime.sinks.preview.service import PreviewService
from edgekit.device.runtime.sinks.preview.serving import PreviewServer
from edgekit.device.runtime.sinks.preview.state import PreviewState
from edgekit.device.runtime.sinks.preview.view import StreamView, StreamViews
from edgekit.schema.pressure import Relief
from edgekit.schema.sink import PreviewSink
from edgekit.stage import Frame

_CLOSE_S = 2.0


class PreviewPlayer:
    """Costs its lane a comparison for each frame as long as nobody looks.

    Its threads start with the first frame or event, from the lane's thread: they run on the lane's CPUs.
    """

    relief: Relief = "preview"

    def __init__(self, plan: PreviewSink, context: SinkContext, figures: SinkFigures) -> None:
        """Listen to nobody yet."""
        self._name, self._figures = context.name, figures
        self._views = {name: StreamView(plan.width_px, plan.fps) for name in context.plan.sources}
        streams = StreamViews(views=self._views, figures=context.figures.streams)
        self._newest = NewestJpegs(self._views)
        self._state = PreviewState(context.plan, streams)
        self._painter = Painter(plan, scenery_of(context.plan.stages), self._newest, streams)
        self._service = PreviewService(self._newest, self._state, plan.viewers)
        self._server = PreviewServer(plan, self._service, context.preview, figures)
        self._opened = False

    def do_without(self, *, tight: bool) -> None:
        """See `pressure.relief.CanDoWithout`. Who looks sees no picture meanwhile, and stays connected."""
        self._newest.pause(paused=tight)

    def take(self, frame: Frame) -> None:
        """See `Sink.take`."""
        self._open()
        now_s, view = time.monotonic(), self._views[frame.stream]
        at_s = time.time() - (now_s - frame.captured_s)
        view.counts = frame.counts
        if frame.events:
            self._state.note(frame, at_s)
        if self._newest.is_watched(frame.stream) and view.offer(frame, now_s, at_s):
            self._painter.wake()
        self._figures.sent = self._service.sent

    def follow(self, event: StreamEvent) -> None:
        """See `Sink.follow`. A stream's state is seen where it changes, not behind the frames that wait."""
        self._open()
        if self._newest.is_watched(event.stream):
            self._painter.wake()

    def close(self) -> None:
        """See `Sink.close`."""
        self._painter.close(_CLOSE_S)
        self._server.close(_CLOSE_S)

    def _open(self) -> None:
        if not self._opened:
            self._opened = True
            self._server.start(f"{self._name}/http", self._newest)
            self._painter.start(self._name)
