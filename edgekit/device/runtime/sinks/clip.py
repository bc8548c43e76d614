"""`clip`: video of events with the seconds before them, out of the packets that the camera sent."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

from edgekit.device.runtime.figures import SinkFigures
from edgekit.device.runtime.frames.stream import StreamEvent
from edgekit.device.runtime.sinks.clip_file import Opener, open_unbuffered
from edgekit.device.runtime.sinks.context import SinkContext
from edgekit.device.runtime.sinks.packet_ring import PacketRing
from edgekit.device.runtime.sinks.recording import ClipDesk, Moment
from edgekit.device.runtime.sinks.sink_thread import SinkThread
from edgekit.device.runtime.sources.packets import PacketTaker
from edgekit.schema.pressure import Relief
from edgekit.schema.result import ClipEvent
from edgekit.schema.sink import ClipSink
from edgekit.stage import Frame

_LATENCY_S, _LATENCY_RATIO = 5.0, 1.5
"""Rings keep so much more than is asked for: an event is known later than its picture, by what the stages take; and so
many times what they have taken for a frame, on a board that is slow."""
_MOST_WAITING = 1000
_WRITE_EVERY_S, _LOOK_EVERY_S = 0.25, 1.0
_CLOSE_S = 3.0


class ClipRecorder:
    """Notes events on its lane's thread, and writes clips on a thread of its own: no lane waits for the disk."""

    relief: Relief = "clips"

    def __init__(
        self,
        plan: ClipSink,
        context: SinkContext,
        figures: SinkFigures,
        *,
        open_file: Opener = open_unbuffered,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Keep and write nothing yet."""
        self._plan, self._context, self._figures, self._clock = plan, context, figures, clock
        streams = plan.sources or tuple(context.plan.sources)
        self._rings = {stream: PacketRing(plan.before_s + _LATENCY_S, plan.buffer) for stream in streams}
        figures.held = self._rings
        self._desk = ClipDesk(plan=plan, context=context, figures=figures, rings=self._rings, open_file=open_file)
        self._waiting: deque[Moment] = deque()
        self._thread = SinkThread(context.name, figures, self._work)

    def taker(self, stream: str) -> PacketTaker | None:
        """See `TakesPackets.taker`."""
        return self._rings.get(stream)

    def do_without(self, *, tight: bool) -> None:
        """See `pressure.relief.CanDoWithout`."""
        for ring in self._rings.values():
            ring.pause(paused=tight)

    def take(self, frame: Frame) -> None:
        """See `Sink.take`."""
        ring = self._rings.get(frame.stream)
        if ring is None:
            return
        ring.keep(self._plan.before_s + _LATENCY_RATIO * (self._clock() - frame.captured_s))
        self._thread.start()
        for event in frame.events:
            if not self._plan.wants(event.kind, event.place, event.label):
                continue
            if len(self._waiting) >= _MOST_WAITING:
                self._figures.dropped += 1
                continue
            noted = ClipEvent(
                kind=event.kind,
                place=event.place,
                label=event.label,
                track=event.track,
                direction=event.direction,
                seconds=event.seconds,
                frame=frame.sequence,
                at_s=round(time.time() - (self._clock() - frame.captured_s), 3),
                clip_s=0.0,
            )
            self._waiting.append(Moment(stream=frame.stream, event=noted, captured_s=frame.captured_s))
            self._thread.wake()

    def follow(self, event: StreamEvent) -> None:
        """See `Sink.follow`. Rings are told by the sources, sooner."""

    def close(self) -> None:
        """See `Sink.close`. What is being written is finished, unless the disk takes long."""
        self._thread.close(_CLOSE_S)

    def _work(self) -> None:
        self._thread.repeat(self._step)
        self._step()
        self._desk.finish_all()

    def _step(self) -> float:
        moments: list[Moment] = []
        while self._waiting:
            moments.append(self._waiting.popleft())
        self._desk.step(moments)
        return _WRITE_EVERY_S if self._desk.busy else _LOOK_EVERY_S
