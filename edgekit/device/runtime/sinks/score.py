"""`score`: a stream's counts against the ground truth of its clip, after each pass."""

from __future__ import annotations

from pathlib import Path

from edgekit.device.runtime.frames.stream import (
    StreamEnded,
    StreamEvent,
    StreamGap,
    StreamLost,
    StreamRestarted,
    StreamStarted,
)
from edgekit.errors import InputError
from edgekit.schema.sink import ScoreSink
from edgekit.schema.truth import read_truth
from edgekit.stage import Frame

_REBUILD = "build and deploy the release again"


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
            case StreamRestarted(again="pass") | StreamEnded(failed=False):
                if self._is_mine(event.stream):
                    self._compare()
            case StreamStarted() | StreamGap() | StreamRestarted() | StreamLost() | StreamEnded():
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
