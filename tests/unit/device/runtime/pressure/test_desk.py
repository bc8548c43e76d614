"""Each step is made, logged with its cause, and shown; one that fails ends nothing."""

from __future__ import annotations

import logging
from dataclasses import replace

import pytest

from edgekit.device.runtime.figures import PressureFigures
from edgekit.device.runtime.pressure.desk import PressureDesk
from edgekit.device.runtime.pressure.ladder import LadderStep, Rung, rungs_of
from edgekit.schema.order import MemoryReading
from tests.fakes.clock import Clock

MIB = 1 << 20
RUNGS = rungs_of(("clips", "fps"), [("gate", 0)])


def reading(used_mib: int, *, stalled: bool = False) -> MemoryReading:
    limits = {"begin_bytes": 85 * MIB, "end_bytes": 75 * MIB, "limit_bytes": 100 * MIB}
    return MemoryReading(used_bytes=used_mib * MIB, stalled=stalled, **limits)


def test_steps_are_told_with_their_cause(caplog: pytest.LogCaptureFixture) -> None:
    clock, figures = Clock(), PressureFigures()
    acts: list[tuple[str, bool, int]] = []
    desk = PressureDesk(RUNGS, lambda step, taken: acts.append((str(step.rung), step.down, len(taken))), figures, clock)
    with caplog.at_level(logging.INFO):
        for used in (90, 90, 60, 60, 60):
            desk.see(reading(used))
            clock.advance(2.0)
    assert acts == [("clips", True, 1), ("fps 1/2", True, 2), ("fps 1/2", False, 1), ("clips", False, 0)]
    assert [record.getMessage() for record in caplog.records] == [
        "memory is tight, 90.0 MiB of 100.0 MiB are used: goes without clips",
        "memory is tight, 90.0 MiB of 100.0 MiB are used: goes without fps 1/2",
        "memory is free again, 60.0 MiB of 100.0 MiB are used: has fps 1/2 again, still without clips",
        "memory is free again, 60.0 MiB of 100.0 MiB are used: has clips again, all is as it was",
    ]
    assert (figures.taken, figures.steps) == ((), {"clips": 1, "fps": 1})
    assert (figures.used_bytes, figures.limit_bytes) == (60 * MIB, 100 * MIB)


def test_what_was_read_before_the_last_step_does_not_cost_another_one() -> None:
    """A worker that had no time finds several readings; what they say is over."""
    clock, figures = Clock(), PressureFigures()
    desk = PressureDesk(RUNGS, lambda *_: None, figures, clock)
    desk.see(replace(reading(99), read_s=clock() - 1.0))
    clock.advance(1.0)
    desk.see(replace(reading(99), read_s=clock() - 1.5))
    assert figures.taken == ("clips",)
    desk.see(replace(reading(99), read_s=clock() - 0.5))
    assert figures.taken == ("clips", "fps 1/2")


def test_what_was_read_while_a_step_was_being_made_does_not_cost_another_one() -> None:
    """Beside busy lanes it takes a while to give up what waits in queues, and only then is it free."""
    clock, figures = Clock(), PressureFigures()
    desk = PressureDesk(RUNGS, lambda *_: clock.advance(0.6), figures, clock)
    desk.see(replace(reading(99), read_s=clock()))
    clock.advance(0.1)
    desk.see(replace(reading(99), read_s=clock() - 0.2))
    assert figures.taken == ("clips",)
    desk.see(replace(reading(90), read_s=clock()))
    assert figures.taken == ("clips",), "half a second from when it was done"
    clock.advance(0.5)
    desk.see(replace(reading(90), read_s=clock()))
    assert figures.taken == ("clips", "fps 1/2")


def test_a_stall_is_named() -> None:
    figures = PressureFigures()
    PressureDesk(RUNGS, lambda *_: None, figures, Clock()).see(reading(40, stalled=True))
    assert figures.cause == "memory is tight, 40.0 MiB of 100.0 MiB are used, and some of it was waited for"
    assert figures.taken == ("clips",)


def test_a_step_that_fails_ends_nothing(caplog: pytest.LogCaptureFixture) -> None:
    def act(step: LadderStep, _taken: tuple[Rung, ...]) -> None:
        raise OSError("disk")

    figures = PressureFigures()
    desk = PressureDesk(RUNGS, act, figures, Clock())
    desk.see(reading(90))
    assert figures.taken == ("clips",) and "step clips failed" in caplog.text
