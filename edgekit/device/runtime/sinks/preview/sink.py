"""The sink itself: takes frames on a lane, and puts painter and server behind it."""

from __future__ import annotations

import logging
import socket
import time
from typing import TYPE_CHECKING, Any

from edgekit.device.runtime.figures import SinkFigures
from edgekit.device.runtime.frames.stream import StreamEvent
from edgekit.device.runtime.sinks.context import SinkContext
from edgekit.device.runtime.sinks.preview.newest import NewestJpegs
from edgekit.device.runtime.sinks.preview.painter import Painter
from edgekit.device.runtime.sinks.preview.scene import scenery_of
from edgekit.device.runtime.sinks.preview.service import PreviewService, TokenGate
from edgekit.device.runtime.sinks.preview.state import PreviewState
from edgekit.device.runtime.sinks.preview.view import StreamView, StreamViews
from edgekit.schema.sink import PreviewSink
from edgekit.stage import Frame

if TYPE_CHECKING:
    from edgekit.device.runtime.sinks.preview.door import HttpDoor

MIN_TOKEN = 16
_SPARE_CONNECTIONS = 8
"""Beside those that look: the page itself, its state, who is turned away."""
_CLOSE_S = 2.0


class PreviewPlayer:
    """Costs its lane a comparison for each frame as long as nobody looks.

    Its threads start with the first frame or event, from the lane's thread: they run on the lane's CPUs.
    """

    def __init__(self, plan: PreviewSink, context: SinkContext, figures: SinkFigures) -> None:
        """Listen to nobody yet."""
        self._plan, self._context, self._figures = plan, context, figures
        self._views = {name: StreamView(plan.width_px, plan.fps) for name in context.plan.sources}
        streams = StreamViews(views=self._views, figures=context.figures.streams)
        self._newest = NewestJpegs(self._views)
        self._state = PreviewState(context.plan, streams)
        self._painter = Painter(plan, scenery_of(context.plan.stages), self._newest, streams)
        self._service = PreviewService(self._newest, self._state, plan.viewers)
        self._door: HttpDoor | None = None
        self._log = logging.getLogger(f"edgekit.sink.{context.name}")

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
        if self._door is not None:
            self._door.close(_CLOSE_S)
        elif self._context.preview is not None:
            self._context.preview.close()

    def _open(self) -> None:
        if self._door is not None:
            return
        from edgekit.device.runtime.sinks.preview.door import HttpDoor  # noqa: PLC0415  only boards have uvicorn

        troubles: list[str] = []
        entries = [entry for entry in (self._inner(troubles), self._outer(troubles)) if entry]
        self._figures.trouble = "; ".join(troubles)
        for trouble in troubles:
            self._log.warning("%s", trouble)
        name = self._context.name
        self._door = HttpDoor(entries, self._plan.viewers + _SPARE_CONNECTIONS)
        self._door.start(f"{name}/http", self._newest.serve_on)
        self._painter.start(name)

    def _inner(self, troubles: list[str]) -> tuple[socket.socket, Any] | None:
        """The socket that the keeper made: who may reach it is let in."""
        if self._context.preview is None:
            troubles.append(
                "the keeper gave it no socket, so `edgekit view` does not reach it: provision the board again"
            )
            return None
        return self._context.preview, self._service

    def _outer(self, troubles: list[str]) -> tuple[socket.socket, Any] | None:
        plan, address = self._plan, self._plan.address
        if plan.port is None:
            return None
        token = plan.token or ""
        if len(token) < MIN_TOKEN:
            troubles.append(f"port {plan.port} is not opened: the token has fewer than {MIN_TOKEN} characters")
            return None
        try:
            family = socket.getaddrinfo(address, plan.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0][0]
            return socket.create_server((address, plan.port), family=family), TokenGate(self._service, token)
        except OSError as error:
            troubles.append(f"port {plan.port} at {address} cannot be opened: {error.strerror}")
            return None
