"""What a stream does without while memory is tight: frames, half of its picture's sides, or all of itself."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from edgekit.device.runtime.figures import LaneFigures
from edgekit.device.runtime.frames.stream import Entry, StreamRestarted, StreamStarted
from edgekit.device.runtime.sources.shaping import RateLimit
from edgekit.imaging.halving import halve, halved_spec
from edgekit.stage import Frame, StreamInfo

PRESSURE = "pressure"
"""Why frames are dropped here."""
LEAST_FPS, _USUAL_FPS = 1.0, 10.0


@dataclass(slots=True, kw_only=True, eq=False)
class Easing:
    """Of one stream. One thread says what it does without, another, its feed's, does so."""

    name: str
    """Of the feed's thread, where frames are dropped."""
    shed: bool = False
    """Whether none of its frames go on."""
    _limit: RateLimit | None = None
    _wants_half: bool = False
    _is_half: bool = False
    _info: StreamInfo | None = None
    """What was said of its frames last, as the source gives them."""
    active: bool = field(default=False, init=False)
    """Whether `ease` has anything to do: asked for each frame."""

    def keep_share(self, share: float | None, usual_fps: float) -> None:
        """Let this share of its usual rate through, one frame a second at least; None: all.

        Args:
            share: 0 to 1.
            usual_fps: what the stream gives; 0 where it does not say.
        """
        self._limit = None if share is None else RateLimit(max(LEAST_FPS, (usual_fps or _USUAL_FPS) * share))
        self._settle()

    def halve(self, *, wanted: bool) -> None:
        """Show stages pictures of half the width and height, or whole ones again."""
        self._wants_half = wanted
        self._settle()

    def leave(self, *, alone: bool) -> None:
        """Let nothing through, or everything again."""
        self.shed = alone
        self._settle()

    def note(self, entry: Entry) -> None:
        """An entry of the source's, before it is eased: what its frames are."""
        if isinstance(entry, (StreamStarted, StreamRestarted)):
            self._info = entry.info

    def ease(self, entry: Entry, figures: LaneFigures) -> list[Entry]:
        """What goes on in an entry's place."""
        if isinstance(entry, (StreamStarted, StreamRestarted)):
            self._is_half = self._wants_half
            return [replace(entry, info=_halved(entry.info)) if self._is_half else entry]
        if not isinstance(entry, Frame):
            return [entry]
        if self.shed or (self._limit is not None and not self._limit.admits(entry.captured_s)):
            figures.drop(entry.stream, self.name, PRESSURE)
            return []
        before = self._turn()
        if self._is_half:
            entry.image = halve(entry.image)
        return [*before, entry]

    def _turn(self) -> list[Entry]:
        """What has to be said before frames of another size."""
        if self._is_half == self._wants_half or self._info is None:
            return []
        self._is_half = self._wants_half
        self._settle()
        info = _halved(self._info) if self._is_half else self._info
        reason = "memory is tight" if self._is_half else "there is memory again"
        return [StreamRestarted(info=info, again="change", reason=reason)]

    def _settle(self) -> None:
        self.active = self.shed or self._limit is not None or self._wants_half or self._is_half


def _halved(info: StreamInfo) -> StreamInfo:
    return replace(info, spec=halved_spec(info.spec), scale=2)
