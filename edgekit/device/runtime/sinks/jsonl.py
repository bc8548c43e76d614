"""`jsonl`: results as lines in files that stay small, or in the log. What a line may be: `edgekit.schema.line`."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

from edgekit.device.runtime.frames.stream import (
    StreamEnded,
    StreamEvent,
    StreamGap,
    StreamLost,
    StreamRestarted,
    StreamStarted,
)
from edgekit.device.runtime.sinks.track_log import TrackLog
from edgekit.schema.line import CountLine, DetectionsLine, EventLine, LostLine, PassLine, ResultLine
from edgekit.schema.result import to_json
from edgekit.schema.sink import JsonlSink
from edgekit.stage import Frame


class JsonlWriter:
    """A line for each result that is wanted. All files together never grow past `max_bytes` times `keep` + 1."""

    def __init__(self, plan: JsonlSink, work: Path, now: Callable[[], float] = time.time) -> None:
        self._file = None if plan.path == "-" else work / plan.path
        self._plan, self._now = plan, now
        self._counts: dict[str, dict[str, int]] = {}
        self._tracks: dict[str, TrackLog] = {}
        self._detections_s: dict[str, float] = {}
        """When detections of a stream were written last."""
        if self._file is not None:
            self._file.parent.mkdir(parents=True, exist_ok=True)

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
            if self._file is None:
                sys.stderr.write(content.decode())
                continue
            if len(content) > self._plan.max_bytes:
                raise ValueError(f"a line of {len(content)} bytes is larger than a file may be: raise max_bytes")
            if self._file.exists() and self._file.stat().st_size + len(content) > self._plan.max_bytes:
                self._turn(self._file)
            with self._file.open("ab") as file:
                file.write(content)

    def _turn(self, file: Path) -> None:
        """Begin a new file: FILE.1 is the one before it, FILE.2 the one before that."""
        for number in range(self._plan.keep, 0, -1):
            older = file.with_name(f"{file.name}.{number - 1}") if number > 1 else file
            if older.exists():
                older.replace(file.with_name(f"{file.name}.{number}"))
        if not self._plan.keep:
            file.unlink()
