"""Which stream a lane serves next. Pure: no clock, no threads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
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
