"""What a board's sensors say now: printed by `edgekit.device.telemetry`, checked and passed on by the keeper.

What cannot be read is not there; no number stands for "unknown". Names are the board's own, in lower case.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated

from edgekit.schema.bounds import Between, Length, Matches
from edgekit.schema.message import Message
from edgekit.schema.plain_text import plain_text

MAX_TELEMETRY_BYTES = 64 << 10
TELEMETRY_FD_VARIABLE = "EDGEKIT_TELEMETRY_FD"
"""The socket on which the keeper asks and its child answers."""
MAX_READINGS = 64
"""Of one kind: more than any board has, and a bound for what a broken one shows."""
MAX_NOTE_CHARACTERS = 200

CELSIUS = Between(-60, 200)
"""Beyond these a sensor is off or broken: Jetsons show -256 for one without power."""
RATIO = Between(0, 1)
HERTZ = Between(1, 100_000_000_000)
WATTS = Between(0, 1000)
COUNT = Between(0, (1 << 63) - 1)

Celsius = Annotated[float, CELSIUS]
Ratio = Annotated[float, RATIO]
Hertz = Annotated[int, HERTZ]
Watts = Annotated[float, WATTS]
Name = Annotated[str, Matches("[A-Za-z0-9][A-Za-z0-9 _.:/@+-]{0,47}", "a short name such as gpu")]
Note = Annotated[str, Matches("[^\\x00-\\x1f\\x7f]{1,200}", "a short sentence")]
Readings = Length(maximum=MAX_READINGS, why="no board has more")


def plain_name(text: str) -> str:
    """A `Name` without what names may not hold; empty where nothing is left."""
    return re.sub("[^A-Za-z0-9 _.:/@+-]", "_", text[:40]).lstrip(" _.:/@+-").rstrip()


def plain_note(text: str) -> str:
    """A sentence as a `Note`, whoever wrote it; empty where nothing is left."""
    return " ".join(plain_text(text).split())[:MAX_NOTE_CHARACTERS]


@dataclass(frozen=True, slots=True, kw_only=True)
class Temperature:
    """One thermal zone."""

    zone: Name
    """`cpu`, `soc0`, `bigcore1`: without what all have in common (`-thermal`)."""
    celsius: Celsius


@dataclass(frozen=True, slots=True, kw_only=True)
class AcceleratorLoad:
    """How busy an accelerator, or one core of it, is now."""

    accelerator: Name
    """`gpu`, `npu`, or `memory` for the memory controller."""
    core: str = ""
    """Its number where the driver tells cores apart."""
    ratio: Ratio


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockRate:
    """One clock now."""

    clock: Name
    """`cpu4` (that CPU and those of its cluster), `gpu`, `npu`, `memory`."""
    hertz: Hertz
    limit_hertz: Hertz | None = None
    """What it may rise to now, by the power mode or by heat."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PowerRail:
    """What goes through one rail."""

    rail: Name
    watts: Watts


@dataclass(frozen=True, slots=True, kw_only=True)
class Throttle:
    """Something that may hold clocks down, and whether it does."""

    cause: Name
    """`heat`, or `current`."""
    by: Name
    """The cooling device, or the rail."""
    active: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PowerEvents:
    """How often a Jetson's supply was not enough, since its start."""

    line: Name
    """`oc1` under-voltage, `oc2` average over-current, `oc3` instantaneous over-current on Orin."""
    count: Annotated[int, COUNT]


@dataclass(frozen=True, slots=True, kw_only=True)
class BoardTelemetry(Message):
    """A board, now."""

    temperatures: Annotated[tuple[Temperature, ...], Readings] = ()
    loads: Annotated[tuple[AcceleratorLoad, ...], Readings] = ()
    clocks: Annotated[tuple[ClockRate, ...], Readings] = ()
    rails: Annotated[tuple[PowerRail, ...], Readings] = ()
    module_watts: Watts | None = None
    """The whole module, where its rails tell that."""
    throttles: Annotated[tuple[Throttle, ...], Readings] = ()
    power_events: Annotated[tuple[PowerEvents, ...], Readings] = ()
    notes: Annotated[tuple[Note, ...], Readings] = ()
    """What is not among these and why, each a sentence."""
