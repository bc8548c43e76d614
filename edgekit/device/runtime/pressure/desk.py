"""Takes what the keeper reads of this worker's memory, does what the ladder says, and tells each step."""

from __future__ import annotations

import logging
import time
import traceback
from collections.abc import Callable
from dataclasses import replace

from edgekit.device.runtime.figures import PressureFigures
from edgekit.device.runtime.pressure.ladder import Ladder, LadderStep, Rung
from edgekit.schema.order import MemoryReading
from edgekit.schema.units import format_bytes

_LOG = logging.getLogger("edgekit.pressure")
Act = Callable[[LadderStep, tuple[Rung, ...]], object]


class PressureDesk:
    """Of one worker. One thread brings the readings."""

    def __init__(
        self,
        rungs: tuple[Rung, ...],
        act: Act,
        figures: PressureFigures,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Begin with everything.

        Args:
            rungs: what can be given up, in that order.
            act: makes a step.
            figures: what was done is noted here.
            clock: monotonic seconds.
        """
        self._ladder, self._act, self._figures, self._clock = Ladder(rungs=rungs), act, figures, clock

    def see(self, reading: MemoryReading) -> None:
        """One reading."""
        now_s, figures = self._clock(), self._figures
        figures.used_bytes, figures.limit_bytes = reading.used_bytes, reading.limit_bytes
        if reading.read_s and reading.read_s <= self._ladder.changed_s:
            return  # from before the last step was done: on a busy board several wait, and each would cost another one
        self._ladder, step = self._ladder.see(reading, now_s)
        if step is None:
            return
        taken = self._ladder.rungs[: self._ladder.taken]
        try:
            self._act(step, taken)
        except Exception:  # whatever a sink raises: the next step may help
            _LOG.warning("step %s failed: %s", step.rung, traceback.format_exc())
        done_s = self._clock()  # giving up what waits in queues may take half a second itself, beside busy lanes
        self._ladder = replace(self._ladder, changed_s=done_s)
        figures.cause, figures.changed_s = _cause(reading, step), done_s
        figures.taken = tuple(map(str, taken))
        if step.down:
            relief = step.rung.relief
            figures.steps = {**figures.steps, relief: figures.steps.get(relief, 0) + 1}
            _LOG.warning("%s: goes without %s", figures.cause, step.rung)
        else:
            without = f", still without {', '.join(figures.taken)}" if taken else ", all is as it was"
            _LOG.info("%s: has %s again%s", figures.cause, step.rung, without)


def _cause(reading: MemoryReading, step: LadderStep) -> str:
    used = f"{format_bytes(reading.used_bytes)} of {format_bytes(reading.limit_bytes)} are used"
    if not step.down:
        return f"memory is free again, {used}"
    return f"memory is tight, {used}" + (", and some of it was waited for" if reading.stalled else "")
