"""Blows parts off the belt: one byte over SPI to the valve board for each part that was counted under a given name.

`spidev` has no wheel for arm64, so `edgekit build` makes one. Where the board has no such SPI device the stage only
counts what it would have done: the same recipe runs on a bench.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from edgekit.stage import Frame, SharedContext, Stage, StageContext

if TYPE_CHECKING:
    from spidev import SpiDev


@dataclass(frozen=True, slots=True, kw_only=True)
class EjectorOptions:
    """Options of this stage in recipe.toml; the build checks them."""

    part: str
    """Name of the parts to blow off, as `count` names them: `red disc`."""
    bus: int = 0
    device: int = 0
    speed_hz: int = 500_000
    pulse: int = 0x01
    """The byte that opens the valve once."""


class ValveBoard:
    """The SPI bus to the valves: there is one, however many cameras look at belts."""

    def __init__(self, context: SharedContext) -> None:
        options: EjectorOptions = context.options
        self._bus: SpiDev | None = None
        file = Path(f"/dev/spidev{options.bus}.{options.device}")
        if file.exists():
            import spidev  # noqa: PLC0415  workstations lack it, and such a bus

            self._bus = spidev.SpiDev(options.bus, options.device)
            self._bus.max_speed_hz = options.speed_hz
        else:
            context.log.warning("%s is not there: nothing is blown off", file)

    def pulse(self, byte: int) -> None:
        """Open the valve once."""
        if self._bus is not None:
            self._bus.writebytes([byte])

    def close(self) -> None:
        """Free the bus."""
        if self._bus is not None:
            self._bus.close()


class Ejector(Stage):
    """Sends a pulse whenever the count of its part has risen."""

    stateless = False
    Options = EjectorOptions
    Shared = ValveBoard

    def __init__(self, context: StageContext) -> None:
        super().__init__(context)
        self._options: EjectorOptions = context.options
        self._valves: ValveBoard = context.shared
        self._counted = 0

    def reset(self) -> None:
        """Begin at zero, as `count` does."""
        self._counted = 0

    def __call__(self, frame: Frame) -> Frame:
        """Pulse once for each part that was counted since the last frame."""
        counted = frame.counts.get(self._options.part, 0)
        for _ in range(counted - self._counted):
            self._valves.pulse(self._options.pulse)
        self._counted = counted
        return frame
