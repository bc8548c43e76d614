"""`jsonl`: results as lines in files that stay small, or in the log. What a line may be: `edgekit.schema.line`."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import Literal

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
from edgekit.device.runtime.sinks.line_file import LineFile, LogLines
from edgekit.device.runtime.sinks.sink_thread import SinkThread
from edgekit.device.runtime.sinks.track_log import TrackLog
from edgekit.schema.line import CountLine, DetectionsLine, EventLine, LostLine, PassLine, ResultLine
from edgekit.schema.result import to_json
from edgekit.schema.sink import JsonlSink
from edgekit.schema.units import format_bytes
from edgekit.stage import Frame

_MOST_WAITING_BYTES = 4 << 20
"""Of lines that the disk has not taken; more are dropped, and counted."""
_SLOW = f"more than {format_bytes(_MOST_WAITING_BYTES)} of lines wait for the disk: new ones are dropped"
_AGAIN_S = 1.0
_CLOSE_S = 5.0


class JsonlWriter:
    """Makes a line of each result that is wanted, on its lane's thread; a thread of its own writes them."""

    def __init__(
        self, plan: JsonlSink, context: SinkContext, figures: SinkFigures, now: Callable[[], float] = time.time
    ) -> None:
        """Write nothing yet."""
        self._plan, self._figures, self._now = plan, figures, now
        self._file = LogLines() if plan.path == "-" else LineFile(context.work / plan.path, plan.max_bytes, plan.keep)
        self._waiting: deque[bytes] = deque()
        self._waiting_bytes = 0
        self._lock = threading.Lock()
        self._thread = SinkThread(context.name, figures, self._work)
        self._counts: dict[str, dict[str, int]] = {}
        self._tracks: dict[str, TrackLog] = {}
        self._detections_s: dict[str, float] = {}
        """When detections of a stream were written last."""

    def take(self, frame: Frame) -> None:
        """See `Sink.take`."""
        at_s = round(self._now() - (time.monotonic() - frame.captured_s), 3)
        self._write(*self._lines_of(frame, at_s))
        self._counts[frame.stream] = frame.counts

    def follow(self, event: StreamEvent) -> None:
        """See `Sink.follow`."""
        at_s = round(self._now(), 3)
        match event:
            case StreamRestarted(reason=reason) | StreamEnded(reason=reason):
                counts, stream = self._counts.pop(event.stream, {}), event.stream
                ended: Literal["ended", "restarted"] = "ended" if isinstance(event, StreamEnded) else "restarted"
                tracks = self._tracks.pop(stream).end() if stream in self._tracks else ()
                self._write(*tracks, PassLine(at_s=at_s, event=ended, stream=stream, reason=reason, counts=counts))
            case StreamLost(state=state, reason=reason):
                self._write(LostLine(at_s=at_s, event=state, stream=event.stream, reason=reason))
            case StreamStarted() | StreamGap():
                pass

    def close(self) -> None:
        """See `Sink.close`. Tracks that are under way end here."""
        for log in self._tracks.values():
            self._write(*log.end())
        self._thread.close(_CLOSE_S)

    def _lines_of(self, frame: Frame, at_s: float) -> Iterator[ResultLine]:
        stream, number = frame.stream, frame.sequence
        if self._plan.detections and frame.detections and self._due(frame):
            yield DetectionsLine(at_s=at_s, stream=stream, frame=number, detections=frame.detections)
        for event in frame.events:
            yield EventLine(
                at_s=at_s,
                event=event.kind,
                stream=stream,
                frame=number,
                place=event.place,
                label=event.label,
                track=event.track,
                direction=event.direction,
                seconds=event.seconds,
            )
        if frame.counts != self._counts.get(stream, {}):
            yield CountLine(at_s=at_s, stream=stream, frame=number, counts=frame.counts)
        if self._plan.tracks:
            yield from self._tracks.setdefault(stream, TrackLog(stream)).see(at_s, frame.captured_s, frame.detections)

    def _due(self, frame: Frame) -> bool:
        last_s = self._detections_s.get(frame.stream, float("-inf"))
        if frame.captured_s - last_s < self._plan.detections_every_s:
            return False
        self._detections_s[frame.stream] = frame.captured_s
        return True

    def _write(self, *lines: ResultLine) -> None:
        for content in map(to_json, lines):
            if len(content) > self._plan.max_bytes:
                raise ValueError(f"a line of {len(content)} bytes is larger than a file may be: raise max_bytes")
            if self._waiting_bytes + len(content) > _MOST_WAITING_BYTES:
                self._figures.dropped += 1
                self._figures.trouble = _SLOW
                continue
            with self._lock:
                self._waiting.append(content)
                self._waiting_bytes += len(content)
            self._thread.wake()

    def _work(self) -> None:
        self._thread.repeat(self._step)
        self._step()

    def _step(self) -> float:
        """Write what waits. What the disk does not take now is tried again."""
        while self._waiting:
            with self._lock:
                lines = list(self._waiting)
            try:
                written = self._file.write(lines)
            except OSError as error:
                self._figures.trouble = f"lines cannot be written: {error.strerror}"
                break
            with self._lock:
                for _ in range(written):
                    self._waiting_bytes -= len(self._waiting.popleft())
            self._figures.sent += written
            self._figures.trouble = ""
        self._figures.waiting, self._figures.waiting_bytes = len(self._waiting), self._waiting_bytes
        return _AGAIN_S
