"""Where results go. A sink sees every frame that came through, and what happens to its stream, in order."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Protocol

from edgekit.device.runtime.frames.stream import StreamEnded, StreamEvent, StreamGap, StreamRestarted, StreamStarted
from edgekit.device.runtime.streams import PipelineFigures
from edgekit.errors import InputError
from edgekit.schema.recipe import JsonlSink, RecipeSink, ScoreSink
from edgekit.schema.truth import read_truth
from edgekit.stage import Frame

_REBUILD = "build and deploy the release again"


class Sink(Protocol):
    """Takes results on the thread of its lane. It may raise: that is counted, and costs nobody else anything."""

    def take(self, frame: Frame) -> None:
        """One frame's result. It is read only: other sinks have it too."""

    def follow(self, event: StreamEvent) -> None:
        """Something happened to a stream."""

    def close(self) -> None:
        """Nothing follows."""


class JsonlWriter:
    """A line whenever a stream's counts change, and one when it restarts or ends.

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


class CountScorer:
    """Compares one stream's counts with the ground truth at the end of each pass: where it restarts, or ends."""

    def __init__(self, plan: ScoreSink, release: Path, score: dict[str, float]) -> None:
        """Read the ground truth.

        Args:
            plan: the stream, and where the ground truth lies.
            release: the release's folder.
            score: is set to the result after each pass.

        Raises:
            InputError: it is not there, or says no counts.
        """
        try:
            self._expected = read_truth((release / plan.path).read_bytes(), plan.path)
        except OSError as error:
            raise InputError(f"ground truth {plan.path} cannot be read: {error.strerror}", hint=_REBUILD) from None
        self._source = plan.source
        self._score = score
        self._counts: dict[str, int] = {}
        self._passes = self._wrong_passes = 0

    def take(self, frame: Frame) -> None:
        """See `Sink.take`."""
        if self._is_mine(frame.stream):
            self._counts = frame.counts

    def follow(self, event: StreamEvent) -> None:
        """See `Sink.follow`. A stream that failed was not seen to its end."""
        match event:
            case StreamRestarted() | StreamEnded(failed=False):
                if self._is_mine(event.stream):
                    self._compare()
            case StreamStarted() | StreamGap() | StreamEnded():
                pass

    def close(self) -> None:
        """See `Sink.close`."""

    def _is_mine(self, stream: str) -> bool:
        return self._source is None or stream == self._source

    def _compare(self) -> None:
        counts, expected = self._counts, self._expected
        wrong = sum(abs(counts.get(name, 0) - expected.get(name, 0)) for name in counts.keys() | expected.keys())
        self._passes += 1
        self._wrong_passes += bool(wrong)
        self._counts = {}
        self._score.update(
            passes=float(self._passes),
            wrong_passes=float(self._wrong_passes),
            expected=float(sum(expected.values())),
            counted=float(sum(counts.values())),
            wrong=float(wrong),
        )


def make_sink(name: str, plan: RecipeSink, release: Path, work: Path, figures: PipelineFigures) -> Sink:
    """The sink of a plan."""
    if isinstance(plan, ScoreSink):
        return CountScorer(plan, release, figures.scores.setdefault(name, {}))
    return JsonlWriter(plan, work)
