"""`jsonl`: events and counts as lines in a file that stays small, or in the log."""

from __future__ import annotations

import dataclasses
import json
import sys
import time
from pathlib import Path

from edgekit.device.runtime.frames.stream import (
    StreamEnded,
    StreamEvent,
    StreamGap,
    StreamLost,
    StreamRestarted,
    StreamStarted,
)
from edgekit.schema.sink import JsonlSink
from edgekit.stage import Frame


class JsonlWriter:
    """A line for each event, one whenever a stream's counts change, and one when it is lost, restarts or ends.

    The file never grows past its size, twice.
    """

    def __init__(self, plan: JsonlSink, work: Path) -> None:
        self._file = None if plan.path == "-" else work / plan.path
        self._max_bytes = plan.max_bytes
        self._counts: dict[str, dict[str, int]] = {}
        if self._file is not None:
            self._file.parent.mkdir(parents=True, exist_ok=True)

    def take(self, frame: Frame) -> None:
        """See `Sink.take`."""
        for event in frame.events:
            fields = dataclasses.asdict(event)
            self._write({"event": fields.pop("kind"), "stream": frame.stream, "frame": frame.sequence, **fields})
        if frame.counts != self._counts.get(frame.stream, {}):
            self._write({"event": "count", "stream": frame.stream, "frame": frame.sequence, "counts": frame.counts})
            self._counts[frame.stream] = frame.counts

    def follow(self, event: StreamEvent) -> None:
        """See `Sink.follow`."""
        match event:
            case StreamRestarted(reason=reason) | StreamEnded(reason=reason):
                kind = "ended" if isinstance(event, StreamEnded) else "restarted"
                counts = self._counts.pop(event.stream, {})
                self._write({"event": kind, "stream": event.stream, "reason": reason, "counts": counts})
            case StreamLost(state=state, reason=reason):
                self._write({"event": state, "stream": event.stream, "reason": reason})
            case StreamStarted() | StreamGap():
                pass

    def close(self) -> None:
        """See `Sink.close`."""

    def _write(self, value: dict[str, object]) -> None:
        line = json.dumps({"at_s": round(time.time(), 3), **value}) + "\n"
        if self._file is None:
            sys.stderr.write(line)
            return
        if self._file.exists() and self._file.stat().st_size + len(line) > self._max_bytes:
            self._file.replace(self._file.with_name(self._file.name + ".1"))
        with self._file.open("a", encoding="utf-8") as file:
            file.write(line)
