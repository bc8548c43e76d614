"""What the page shows beside the pictures: streams, their figures and the last events, as JSON."""

from __future__ import annotations

import dataclasses
import json
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from edgekit.device.runtime.sinks.preview.view import StreamView, StreamViews
from edgekit.device.runtime.streams import window_of
from edgekit.schema.plan import WorkerPlan
from edgekit.schema.units import near_rate
from edgekit.stage import Frame

_KEPT_EVENTS = 30


class PreviewState:
    """Made at most once in `MADE_EVERY_S` for all viewers."""

    MADE_EVERY_S = 0.5

    def __init__(
        self,
        plan: WorkerPlan,
        streams: StreamViews,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._plan, self._clock = plan, clock
        self._views, self._figures = streams.views, streams.figures
        self._lock = threading.Lock()
        self._events: deque[dict[str, object]] = deque(maxlen=_KEPT_EVENTS)
        self._made: tuple[float, bytes] = (float("-inf"), b"")

    def note(self, frame: Frame, at_s: float) -> None:
        """Remember what happened in a frame, for whoever looks later. On a lane's thread."""
        for event in frame.events:
            with self._lock:
                self._events.append({"at_s": round(at_s, 3), "stream": frame.stream, **dataclasses.asdict(event)})

    def json(self) -> bytes:
        """How all is now. On the server's thread."""
        now_s, (at_s, data) = self._clock(), self._made
        if now_s - at_s >= self.MADE_EVERY_S:
            data = json.dumps(self._now(now_s)).encode()
            self._made = (now_s, data)
        return data

    def _now(self, now_s: float) -> dict[str, Any]:
        with self._lock:
            events = list(self._events)
        return {
            "application": self._plan.application,
            "version": self._plan.version,
            "at_s": round(time.time(), 3),
            "streams": [self._stream(name, view, now_s) for name, view in self._views.items()],
            "events": events[::-1],
        }

    def _stream(self, name: str, view: StreamView, now_s: float) -> dict[str, Any]:
        figures = self._figures[name]
        window, info = window_of([figures.recent()]), figures.info
        return {
            "name": name,
            "state": figures.state,
            "since_s": round(now_s - figures.since_s, 1),
            "message": figures.message,
            "fps": near_rate(window.fps),
            "wanted_fps": near_rate(figures.wanted_fps),
            "p50_ms": round(window.p50_ms),
            "p99_ms": round(window.p99_ms),
            "frames": figures.frames,
            "width_px": info.spec.width_px if info else 0,
            "height_px": info.spec.height_px if info else 0,
            "counts": view.counts,
        }
