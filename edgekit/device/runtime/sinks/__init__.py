"""Where results go. A sink sees every frame that came through, and what happens to its stream, in order.

One module a kind, and the table of kinds: `make_sink`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from edgekit.device.runtime.frames.stream import StreamEvent
from edgekit.device.runtime.sinks.jsonl import JsonlWriter
from edgekit.device.runtime.sinks.score import CountScorer
from edgekit.device.runtime.streams import PipelineFigures
from edgekit.schema.recipe import JsonlSink, RecipeSink, ScoreSink
from edgekit.stage import Frame


class Sink(Protocol):
    """Takes results on the thread of its lane. It may raise: that is counted, and costs nobody else anything."""

    def take(self, frame: Frame) -> None:
        """One frame's result. It is read only: other sinks have it too."""

    def follow(self, event: StreamEvent) -> None:
        """Something happened to a stream."""

    def close(self) -> None:
        """Nothing follows."""


def make_sink(name: str, plan: RecipeSink, release: Path, work: Path, figures: PipelineFigures) -> Sink:
    """The sink of a plan.

    Raises:
        InputError: it cannot be made.
    """
    match plan:
        case JsonlSink():
            return JsonlWriter(plan, work)
        case ScoreSink():
            return CountScorer(plan, release, figures.scores.setdefault(name, {}))
