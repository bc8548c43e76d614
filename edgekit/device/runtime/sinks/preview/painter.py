"""Draws and encodes, on a thread of its own that gives way to lanes: once for all viewers, and only what is watched."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from edgekit.device.runtime.failures import FailureLog
from edgekit.device.runtime.schedule.pinning import give_way, name_thread
from edgekit.device.runtime.sinks.preview.newest import NewestJpegs
from edgekit.device.runtime.sinks.preview.planes import small_size
from edgekit.device.runtime.sinks.preview.scene import Scenery
from edgekit.device.runtime.sinks.preview.view import SeenFrame, StreamView, StreamViews
from edgekit.device.runtime.streams import StreamFigures, window_of
from edgekit.imaging.annotation import Canvas, Paint, Placement
from edgekit.imaging.image import Pixels
from edgekit.schema.sink import PreviewSink
from edgekit.schema.units import format_rate

_CARD_EVERY_S = 1.0
"""A stream that gives no picture is shown with the time for how long."""
_LATE_S, _LATE_FRAMES = 3.0, 3
"""A live stream is late where nothing has come for so long, and for so many frames' time."""
_CARD: Paint = (36, 31, 28)
_MOST_COUNTS = 8
PAINT_OF_STATE: Mapping[str, Paint] = {
    "live": (110, 220, 110),
    "connecting": (80, 200, 255),
    "stalled": (60, 150, 255),
    "frozen": (60, 150, 255),
    "down": (80, 80, 255),
    "failed": (80, 80, 255),
    "ended": (200, 200, 200),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """How a stream was when it was painted last."""

    state: str = ""
    """Empty where nobody has looked since."""
    at_s: float = 0.0
    fresh_s: float = 0.0
    """When a frame of it was painted, or somebody began to look."""


class Painter:
    """Its thread waits as long as nobody looks."""

    def __init__(
        self,
        plan: PreviewSink,
        scenery: Scenery,
        newest: NewestJpegs,
        streams: StreamViews,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._plan, self._scenery, self._newest = plan, scenery, newest
        self._views, self._figures = streams.views, streams.figures
        self._clock = clock
        self._log = FailureLog("preview", clock)
        self._wake = threading.Event()
        self._closing = False
        self._shown = dict.fromkeys(streams.views, Shown())
        self._thread: threading.Thread | None = None
        self.encoded = 0
        newest.on_watched = self.wake

    def start(self, name: str) -> None:
        """Paint from now on, on a thread of this name."""
        self._thread = threading.Thread(target=self._run, args=(name,), name=name, daemon=True)
        self._thread.start()

    def wake(self) -> None:
        """There is a new picture, or somebody who looks."""
        self._wake.set()

    def close(self, within_s: float) -> None:
        """End the thread."""
        self._closing = True
        self._wake.set()
        if self._thread is not None:
            self._thread.join(within_s)

    def turn(self) -> bool:
        """Paint what there is to paint; False where nobody looks at anything."""
        watched = False
        for name, view in self._views.items():
            if self._newest.is_watched(name):
                watched = True
                if self._is_due(name, view):
                    self._paint(name, view)
            elif self._shown[name].state:
                view.clear()
                self._shown[name] = Shown()
        return watched

    def _run(self, name: str) -> None:
        name_thread(name, threading.get_native_id(), Path("/proc"))
        give_way()
        while not self._closing:
            self._wake.clear()
            try:
                watched = self.turn()
            except Exception as error:  # a recipe's own stage may have found anything: the next picture may do
                self._log.write("failed to draw a picture", error)
                watched = True
                self._wake.clear()
            self._wake.wait(_CARD_EVERY_S if watched else None)

    def _is_due(self, name: str, view: StreamView) -> bool:
        shown, figures, now_s = self._shown[name], self._figures[name], self._clock()
        if not shown.state and figures.state == "live" and not view.new:  # its next frame comes in a moment
            self._shown[name] = Shown(state="live", at_s=now_s, fresh_s=now_s)
            return False
        quiet = figures.state != "live" or _is_late(figures, now_s - shown.fresh_s)
        return view.new or figures.state != shown.state or (quiet and now_s - shown.at_s >= _CARD_EVERY_S)

    def _paint(self, name: str, view: StreamView) -> None:
        figures, now_s, shown, fresh = self._figures[name], self._clock(), self._shown[name], view.new
        state, fresh_s = figures.state, now_s if fresh or not shown.state else shown.fresh_s
        pixels, seen = view.take() or (self._card(figures), None)
        canvas = Canvas(pixels, self._placement(figures, pixels, seen))
        if seen is not None:
            self._draw_found(canvas, view, seen)
        if state != "live":
            canvas.dim()
            canvas.heading(f"{state} for {now_s - figures.since_s:.0f} s", figures.message, PAINT_OF_STATE[state])
        elif _is_late(figures, now_s - fresh_s):
            canvas.dim()
            canvas.heading(f"no picture for {now_s - fresh_s:.0f} s", "", PAINT_OF_STATE["stalled"])
        self._head(canvas, figures, seen)
        done, data = cv2.imencode(".jpg", canvas.pixels, (cv2.IMWRITE_JPEG_QUALITY, self._plan.quality))
        assert done, "JPEG takes any picture of 8 bit"
        self.encoded += 1
        self._shown[name] = Shown(state=state, at_s=now_s, fresh_s=fresh_s)
        self._newest.publish(name, data.tobytes(), of_a_frame=fresh)

    def _draw_found(self, canvas: Canvas, view: StreamView, seen: SeenFrame) -> None:
        self._scenery.draw(canvas)
        counts = [f"{name}: {count}" for name, count in sorted(view.counts.items())]
        more = [f"and {len(counts) - _MOST_COUNTS} more"] if len(counts) > _MOST_COUNTS else []
        canvas.words([*counts[:_MOST_COUNTS], *more], (4, -4))
        self._scenery.name(canvas)
        canvas.boxes(seen.detections)

    def _head(self, canvas: Canvas, figures: StreamFigures, seen: SeenFrame | None) -> None:
        window = window_of([figures.recent()])
        how = f"  {format_rate(window.fps)} fps  {window.p50_ms:.0f} ms" if figures.state == "live" else ""
        canvas.words([f"{figures.name}  {figures.state}{how}"], (4, 4), paint=PAINT_OF_STATE[figures.state])
        if seen is not None:
            tenth = int(seen.at_s % 1 * 10)
            canvas.words([f"{time.strftime('%H:%M:%S', time.gmtime(seen.at_s))}.{tenth} UTC"], (-4, -4))

    def _placement(self, figures: StreamFigures, pixels: Pixels, seen: SeenFrame | None) -> Placement:
        if seen is None:
            return Placement()
        info = figures.info
        scale = info.scale if info else 1
        return Placement(
            left_px=info.left_px if info else 0,
            top_px=info.top_px if info else 0,
            across=pixels.shape[1] / (seen.width_px * scale),
            down=pixels.shape[0] / (seen.height_px * scale),
        )

    def _card(self, figures: StreamFigures) -> Pixels:
        spec = figures.info.spec if figures.info else None
        size = (spec.width_px, spec.height_px) if spec else (self._plan.width_px, self._plan.width_px * 9 // 16)
        width, height = small_size(*size, self._plan.width_px)
        return np.full((height, width, 3), _CARD, np.uint8)


def _is_late(figures: StreamFigures, quiet_s: float) -> bool:
    return quiet_s > max(_LATE_S, _LATE_FRAMES / figures.wanted_fps if figures.wanted_fps else 0.0)
