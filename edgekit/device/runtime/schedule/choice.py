"""Which stream a lane serves next. Pure: no clock, no threads."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, TypeAlias


class Waiting(NamedTuple):
    """A stream whose first entry in line may go on."""

    stream: str
    arrival: int
    """Of that entry: a number that rises with everything that comes to the lane."""


Choose: TypeAlias = Callable[[Sequence[Waiting]], str]
"""Takes every stream that could be served now, at least one, and names the one that is."""


def first_come(waiting: Sequence[Waiting]) -> str:
    """The stream whose entry has waited longest."""
    return min(waiting, key=lambda one: one.arrival).stream


def by_priority(priorities: Mapping[str, int]) -> Choose:
    """The stream of the highest priority, among equals the one whose entry has waited longest.

    A stream below others gets what they leave: bound them by `max_fps` where that may be nothing.
    """

    def choose(waiting: Sequence[Waiting]) -> str:
        return min(waiting, key=lambda one: (-priorities.get(one.stream, 0), one.arrival)).stream

    return choose
