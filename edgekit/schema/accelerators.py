"""What an application takes of a board's accelerators, as manifests and status say it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

from edgekit.schema.bounds import Between, Length, Matches

GPU = "GPU"
"""Its hardware shares it out: every application may use it."""
AcceleratorName = Annotated[str, Matches("GPU|(NPU|DLA) core [0-9]{1,2}", "a name such as NPU core 0")]
Percent = Annotated[float, Between(0, 1_000_000)]
BusyPercent = Annotated[dict[AcceleratorName, Percent], Length(0, 64)]
"""Of each accelerator's time, so much is taken."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AcceleratorUse:
    """What one application computes on, beside CPUs."""

    used: Annotated[tuple[AcceleratorName, ...], Length(0, 64)] = ()
    """Sorted. All but the GPU are one application's alone, unless both say `shared`."""
    shared: bool = False
    """Whether its recipe agrees that other applications use them too."""
    busy_percent: BusyPercent = field(default_factory=dict)
    """As its profile tells; of what is missing here nobody knows."""
