"""What a device tells is bounded before anything is done with it: it may have been taken over, or be broken."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any, get_args

import pytest

from edgekit.schema.bounds import Between
from edgekit.schema.clips import ClipPiece, KeptClip
from edgekit.schema.control import Event, Hello, Missing, Offer, SettingsAnswer, Status
from edgekit.schema.facts import DeviceFacts
from edgekit.schema.field_types import bounds_of, hints
from edgekit.schema.incident import Incidents
from edgekit.schema.memory import MemoryAnswer
from edgekit.schema.profile import ProfileReply
from edgekit.schema.trace import TraceHeader, TracePiece

TOLD = (
    ClipPiece,
    DeviceFacts,
    Event,
    Hello,
    Incidents,
    KeptClip,
    MemoryAnswer,
    Missing,
    Offer,
    ProfileReply,
    SettingsAnswer,
    Status,
    TraceHeader,
    TracePiece,
)


def unbounded(full: Any, path: str) -> Iterator[str]:
    """Numbers of a type, and of all types in it, that may be of any size."""
    kind, bounds = bounds_of(full)
    if kind in (int, float):
        ranges = [one for one in bounds if isinstance(one, Between)]
        if not any(one.maximum is not None and (one.minimum, one.above) != (None, None) for one in ranges):
            yield path
    elif dataclasses.is_dataclass(kind):
        for name, inner in hints(kind).items():
            yield from unbounded(inner, f"{path}.{name}")
    else:
        for inner in get_args(kind):
            yield from unbounded(inner, path)


@pytest.mark.parametrize("told", TOLD, ids=lambda told: told.__name__)
def test_every_number_that_a_device_tells_has_bounds(told: type) -> None:
    assert list(unbounded(told, told.__name__)) == []
