"""Remembers tracks until they end, within a bound. Pure: times are what frames say."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from edgekit.schema.detection import Detection
from edgekit.schema.line import TrackLine

GONE_S = 5.0
"""So long not seen, a track has ended: trackers find again what was away for less."""
_MOST = 10_000
"""Tracks of one stream at a time; the oldest of more is ended."""


@dataclass(slots=True, kw_only=True)
class _SeenTrack:
    first_at_s: float
    last_at_s: float
    captured_s: float
    """When it was seen last, monotonic: a clock that is set back ends no track too late."""
    start_px: tuple[float, float]
    end_px: tuple[float, float]
    frames: int = 0
    labels: Counter[str] = field(default_factory=Counter)


class TrackLog:
    """The tracks of one stream."""

    def __init__(self, stream: str) -> None:
        self._stream = stream
        self._tracks: dict[int, _SeenTrack] = {}
        """The one that was seen last stands last."""

    def see(self, at_s: float, captured_s: float, detections: tuple[Detection, ...]) -> Iterator[TrackLine]:
        """What was found at a time; gives the tracks that have ended.

        Args:
            at_s: seconds since the epoch, for lines.
            captured_s: monotonic seconds, for what is over.
            detections: of one frame.
        """
        for one in detections:
            if one.track:
                centre = (round(one.x_px, 1), round(one.y_px, 1))
                track = self._tracks.pop(one.track, None)
                track = track or _SeenTrack(
                    first_at_s=at_s, last_at_s=at_s, captured_s=captured_s, start_px=centre, end_px=centre
                )
                track.last_at_s, track.captured_s = at_s, captured_s
                track.end_px, track.frames = centre, track.frames + 1
                track.labels[f"{one.colour} {one.label}".strip()] += 1
                self._tracks[one.track] = track
        while self._tracks:
            number, track = next(iter(self._tracks.items()))
            if captured_s - track.captured_s < GONE_S and len(self._tracks) <= _MOST:
                return
            yield self._ended(number)

    def end(self) -> Iterator[TrackLine]:
        """All of them end."""
        while self._tracks:
            yield self._ended(next(iter(self._tracks)))

    def _ended(self, number: int) -> TrackLine:
        track = self._tracks.pop(number)
        return TrackLine(
            at_s=track.last_at_s,
            stream=self._stream,
            track=number,
            label=track.labels.most_common(1)[0][0],
            first_at_s=track.first_at_s,
            frames=track.frames,
            start_px=track.start_px,
            end_px=track.end_px,
        )
