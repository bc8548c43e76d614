"""What an application does without when its memory gets tight: in recipe.toml, in the plan, and in reports."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from edgekit.schema.bounds import Between, Length
from edgekit.schema.memory import ByteCount, Count, Seconds, Text
from edgekit.schema.message import NewerWord

Relief = Literal["clips", "preview", "fps", "queue", "resolution", "shed"]
RELIEFS: tuple[Relief, ...] = ("clips", "preview", "fps", "queue", "resolution", "shed")
"""`clips`: no encoded video is kept for clips. `preview`: nobody sees pictures. `fps`: half, a quarter, at last one
frame a second of every stream. `queue`: one frame of a stream waits in front of a lane. `resolution`: stages see
pictures of half the width and height. `shed`: streams are left alone, the lowest priority first, but for the last."""

Share = Annotated[float, Between(0.1, 0.99)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pressure:
    """When memory is tight, and what is given up then, one thing after the other."""

    order: Annotated[tuple[Relief, ...], Length(0, len(RELIEFS))] | None = None
    """Empty: nothing. Unset: all of `clips, preview, fps, queue, resolution, shed`; without `resolution` where the
    recipe's own stages or sinks see pictures, which may go by their size."""
    begin: Share = 0.85
    """It is tight from this share of `limits.memory_high` on, or of `memory_max` where that is unset."""
    end: Share = 0.75
    """And no more below this one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PressureReport:
    """How a worker stands with its memory, as its keeper told it last."""

    taken: Annotated[tuple[Text, ...], Length(0, 128)] = ()
    """What it does without now, in the order in which that came: `clips`, `fps 1/2`, `shed yard`."""
    cause: Text = ""
    """Of the last step."""
    since_s: Seconds = 0.0
    """How long ago that was."""
    steps: dict[Relief | NewerWord, Count]
    """How often something of each kind was given up, since the start."""
    used_bytes: ByteCount = 0
    limit_bytes: ByteCount = 0
