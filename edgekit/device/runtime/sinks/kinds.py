"""Where results go. A sink sees every frame that came through, and the end of every pass of a clip."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Protocol

from edgekit.device.runtime.figures import Outcome
from edgekit.device.runtime.frames.item import EndOfPass, Item
from edgekit.errors import InputError
from edgekit.schema.recipe import JsonlSink, RecipeSink, ScoreSink
from edgekit.schema.truth import read_truth

_REBUILD = "build and deploy the release again"


class Sink(Protocol):
    """Takes results on the thread of its lane."""

    def take(self, item: Item) -> None:
        """One frame's result."""

    def end_of_pass(self, end: EndOfPass) -> None:
        """The clip has been played once more."""

    def close(self) -> None:
        """Nothing follows."""


class JsonlWriter:
    """A line whenever the counts change, and one at the end of each pass. The file never grows past its size, twice."""

    def __init__(self, plan: JsonlSink, work: Path) -> None:
        self._file = None if plan.path == "-" else work / plan.path
        self._max_bytes = plan.max_bytes
        self._counts: dict[str, int] = {}
        if self._file is not None:
            self._file.parent.mkdir(parents=True, exist_ok=True)

    def take(self, item: Item) -> None:
        """See `Sink.take`."""
        if item.counts != self._counts:
            self._counts = item.counts
            self._write({"event": "count", "loop": item.loop, "frame": item.index, "counts": item.counts})

    def end_of_pass(self, end: EndOfPass) -> None:
        """See `Sink.end_of_pass`."""
        self._write({"event": "pass", "loop": end.loop, "counts": self._counts})
        self._counts = {}

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
    """Compares the counts of each whole pass with the ground truth."""

    def __init__(self, plan: ScoreSink, release: Path, outcome: Outcome) -> None:
        """Read the ground truth.

        Raises:
            InputError: it is not there, or says no counts.
        """
        try:
            self._expected = read_truth((release / plan.path).read_bytes(), plan.path)
        except OSError as error:
            raise InputError(f"ground truth {plan.path} cannot be read: {error.strerror}", hint=_REBUILD) from None
        self._outcome = outcome
        self._counts: dict[str, int] = {}
        self._passes = self._wrong_passes = 0

    def take(self, item: Item) -> None:
        """See `Sink.take`."""
        self._counts = item.counts

    def end_of_pass(self, end: EndOfPass) -> None:  # noqa: ARG002
        """See `Sink.end_of_pass`."""
        counts, expected = self._counts, self._expected
        wrong = sum(abs(counts.get(name, 0) - expected.get(name, 0)) for name in counts.keys() | expected.keys())
        self._passes += 1
        self._wrong_passes += bool(wrong)
        self._counts = {}
        self._outcome.score = {
            "passes": float(self._passes),
            "wrong_passes": float(self._wrong_passes),
            "expected": float(sum(expected.values())),
            "counted": float(sum(counts.values())),
            "wrong": float(wrong),
        }

    def close(self) -> None:
        """See `Sink.close`."""


def make_sink(plan: RecipeSink, release: Path, work: Path, outcome: Outcome) -> Sink:
    """The sink of a plan."""
    return CountScorer(plan, release, outcome) if isinstance(plan, ScoreSink) else JsonlWriter(plan, work)
