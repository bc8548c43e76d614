"""A camera: connected, watched, and by itself connected again when it is lost."""

from __future__ import annotations

import logging
import random
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

from edgekit.device.runtime.figures import LaneFigures
from edgekit.device.runtime.frames.stream import (
    Entry,
    Lost,
    StreamGap,
    StreamLost,
    StreamRestarted,
    StreamStarted,
)
from edgekit.device.runtime.sources.stillness import signature
from edgekit.errors import Cause, EdgekitError
from edgekit.imaging.image import Image
from edgekit.judging.error_causes import cause_of
from edgekit.schema.source import CameraOptions
from edgekit.stage import Frame, StreamInfo

_FIRST_PAUSE_S = 0.5
_STEADY_S = 10.0
"""A connection that was live for so long was a good one: the next pause is short again."""
_LOG = logging.getLogger("edgekit.source")


class CameraLost(Exception):
    """A connection is over. Its reason is shown to people: no secret may be in it."""

    def __init__(self, state: Lost, reason: str) -> None:
        super().__init__(reason)
        self.state, self.reason = state, reason


@dataclass(slots=True, kw_only=True, eq=False)
class Shot:
    """A picture that a camera gave."""

    image: Image
    """Gone once a frame has it, with whose way it ends."""
    captured_s: float
    camera_s: float | None = None
    missing: int = 0
    """Pictures before it that were damaged."""
    overtaken: int = 0
    """Pictures before it that were dropped, as nobody took them in time."""


class CameraConnection(Protocol):
    """One connection to a camera, from its opening to its end."""

    @property
    def info(self) -> StreamInfo:
        """What its pictures are; known with the first one."""

    def shots(self, figures: LaneFigures) -> Iterator[Shot | None]:
        """Its pictures, and None for what came and was no picture: nothing blocks for longer than `stall_s`.

        Raises:
            CameraLost: it is over.
        """

    def close(self) -> None:
        """Free everything."""


class Backoff:
    """Pauses between tries: each twice as long as the one before, none longer than `most_s`.

    A random part of each keeps a hundred boards from coming back to one recorder in the same moment.
    """

    def __init__(self, most_s: float, uniform: Callable[[float, float], float] = random.uniform) -> None:
        self._most_s, self._uniform = most_s, uniform
        self._tries = 0

    def pause_s(self) -> float:
        """The next pause."""
        whole_s = min(self._most_s, _FIRST_PAUSE_S * (1 << min(self._tries, 30)))
        self._tries += 1
        return whole_s * self._uniform(0.5, 1.0)

    def reset(self) -> None:
        """The next one is the first again."""
        self._tries = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """Time and chance, for tests."""

    clock: Callable[[], float] = time.monotonic
    """Monotonic seconds."""
    wait: Callable[[float], object] | None = None
    """Lets so many seconds pass, or fewer when the camera is stopped; None: really."""
    uniform: Callable[[float, float], float] = random.uniform
    """A random number between two."""


class LiveCamera:
    """A stream that never ends by itself. See `edgekit.device.runtime.sources.source.FrameSource`."""

    live = True

    def __init__(
        self,
        name: str,
        options: CameraOptions,
        connect: Callable[[], CameraConnection],
        *,
        hide: Callable[[str], str] = str,
        timing: Timing | None = None,
    ) -> None:
        """Connect to nothing yet.

        Args:
            name: the source's.
            options: its limits.
            connect: makes a connection, or raises within a bounded time: CameraLost, or an error of a driver.
            hide: takes secrets out of a text.
            timing: None: really.
        """
        timing = timing or Timing()
        self.name, self.info = name, None
        self._options, self._connect, self._hide = options, connect, hide
        self._stopped = threading.Event()
        self._alone = False
        self._clock, self._wait = timing.clock, timing.wait or self._stopped.wait
        self._backoff = Backoff(options.backoff_s, timing.uniform)
        self._state: Lost | None = None
        """How it is lost; None before the first picture, and while it is live."""
        self._reason = ""
        self._live_s: float | None = None
        """Since when it is live."""
        self._sequence = 0
        self._sign, self._changed_s = 0, 0.0
        self._frozen: int | None = None
        """The picture that it was frozen on, until there is another."""

    info: StreamInfo | None

    def leave(self, *, alone: bool) -> None:
        """See `CanBeLeft.leave`."""
        self._alone = alone

    def stop(self) -> None:
        """See `FrameSource.stop`."""
        self._stopped.set()

    def close(self) -> None:
        """See `FrameSource.close`."""

    def entries(self, figures: LaneFigures) -> Iterator[Entry]:
        """See `FrameSource.entries`."""
        while not self._stopped.is_set():
            if self._alone:
                self._wait(_FIRST_PAUSE_S)
                continue
            try:
                yield from self._connected(figures)
            except CameraLost as lost:
                yield from self._lose(lost.state, self._hide(lost.reason), cause_of(lost))
            except EdgekitError as error:
                yield from self._lose("down", self._hide(f"{error.message} ({error.hint})"), cause_of(error))
            except Exception as error:  # drivers and decoders fail in many ways, and none may end the stream
                _LOG.warning("%s", self._hide("".join(traceback.format_exception(error))))
                yield from self._lose("down", self._hide(f"{type(error).__name__}: {error}"), cause_of(error))
            if not self._stopped.is_set():
                self._wait(self._backoff.pause_s())

    def _connected(self, figures: LaneFigures) -> Iterator[Entry]:
        connection = self._connect()
        try:
            began_s = picture_s = self._clock()
            for shot in connection.shots(figures):
                if self._stopped.is_set():
                    return
                if self._alone:
                    raise CameraLost("down", "left alone: memory is tight")
                now_s = self._clock()
                if shot is None:
                    if now_s - picture_s > self._options.stall_s:
                        raise CameraLost("stalled", f"no picture for {self._options.stall_s:g} s in what it sends")
                    continue
                picture_s = now_s
                yield from self._see(shot, connection.info, figures, began_s)
                del shot
        finally:
            connection.close()

    def _see(self, shot: Shot, info: StreamInfo, figures: LaneFigures, began_s: float) -> Iterator[Entry]:
        """One picture, unless it is the one that the camera is frozen on."""
        now_s, sign = self._clock(), signature(shot.image)
        if sign != self._sign:
            self._sign, self._changed_s = sign, now_s
        for _ in range(shot.overtaken):
            figures.drop(self.name, figures.name, "drop_oldest")
        self._sequence += shot.overtaken + 1
        if sign == self._frozen:
            figures.drop(self.name, figures.name, "frozen")
        else:
            self._frozen = None
            yield from self._announce(info, now_s)
            if shot.missing:
                for _ in range(shot.missing):
                    figures.drop(self.name, figures.name, "damaged")
                self._sequence += shot.missing
                yield StreamGap(stream=self.name, missing=shot.missing)
            frame = Frame(
                stream=self.name,
                sequence=self._sequence - 1,
                captured_s=shot.captured_s,
                camera_s=shot.camera_s,
                image=shot.image,
            )
            del shot.image
            yield frame
            del frame
        same_s = now_s - max(self._changed_s, began_s)
        if self._options.frozen_s and same_s >= self._options.frozen_s:
            self._frozen = sign
            raise CameraLost("frozen", f"the same picture for {self._options.frozen_s:g} s")

    def _announce(self, info: StreamInfo, now_s: float) -> Iterator[Entry]:
        if self._live_s is not None:
            return
        before, self.info, self._live_s = self.info, info, now_s
        if before is None:
            yield StreamStarted(info=info)
        else:
            yield StreamRestarted(info=info, again="reconnect", reason=f"it was {self._state}: {self._reason}")
        _LOG.info("stream %s is live", self.name)
        self._state, self._reason = None, ""

    def _lose(self, state: Lost, reason: str, cause: Cause) -> Iterator[Entry]:
        if self._live_s is not None and self._clock() - self._live_s >= _STEADY_S:
            self._backoff.reset()
        self._live_s = None
        if (state, reason) != (self._state, self._reason):
            self._state, self._reason = state, reason
            _LOG.warning("stream %s is %s: %s", self.name, state, reason)
            yield StreamLost(stream=self.name, state=state, reason=reason, cause=cause)
