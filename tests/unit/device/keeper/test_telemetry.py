"""Sensors through a child that answers, dies, babbles or hangs against every signal: the keeper goes on."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from edgekit.device.keeper.telemetry import BoardSensors
from edgekit.errors import InputError
from edgekit.schema.message import from_message, to_line
from edgekit.schema.telemetry import BoardTelemetry, Temperature
from tests.fakes.child import FakeChild, FakeStarter
from tests.fakes.clock import Clock
from tests.fakes.eventually import eventually

WARM = BoardTelemetry(temperatures=(Temperature(zone="cpu", celsius=48.5),))


class Bench:
    """Sensors on fake time whose children behave as told."""

    def __init__(self, on_start: Callable[[FakeChild], None], patience_s: float = 30.0) -> None:
        self.clock = Clock()
        self.starter = FakeStarter(on_start)
        program = Path("/usr/lib/edgekit/edgekitd.pyz")
        self.sensors = BoardSensors(program, self.starter, clock=self.clock, patience_s=patience_s)

    def note(self) -> str:
        found = self.sensors.latest()
        assert found == BoardTelemetry(notes=found.notes)
        (note,) = found.notes
        return note

    @property
    def starts(self) -> int:
        return len(self.starter.children)


def answers(line: bytes = to_line(WARM)) -> Callable[[FakeChild], None]:
    """A child that answers each request by this line."""

    def serve(child: FakeChild) -> None:
        def loop() -> None:
            while child.asked():
                child.send(line)

        threading.Thread(target=loop, daemon=True).start()

    return serve


def silent(_child: FakeChild) -> None:
    """A child that never answers."""


def unkillable(child: FakeChild) -> None:
    """A child in the hands of a driver: not even SIGKILL ends it."""
    child.kill = lambda: child.signals.append(9)  # type: ignore[method-assign]


def test_a_reading_is_asked_for_once_and_shared_for_a_second() -> None:
    bench = Bench(answers())
    assert bench.sensors.latest() == WARM
    assert bench.starter.last.argv[-2:] == ["/usr/lib/edgekit/edgekitd.pyz", "telemetry"]
    bench.clock.advance(0.9)
    assert bench.sensors.latest() == WARM
    assert bench.starter.last.requests == 1
    bench.clock.advance(0.2)
    assert bench.sensors.latest() == WARM
    assert (bench.starter.last.requests, bench.starts) == (2, 1)


def test_nothing_starts_before_somebody_looks() -> None:
    assert Bench(answers()).starts == 0


def test_a_child_that_ended_because_nobody_looked_is_started_again() -> None:
    bench = Bench(answers())
    assert bench.sensors.latest() == WARM
    bench.starter.last.end(0)
    bench.clock.advance(500)
    assert bench.sensors.latest() == WARM
    assert bench.starts == 2


def test_a_child_without_an_answer_holds_nobody_and_is_killed() -> None:
    bench = Bench(silent, patience_s=0.05)
    assert bench.note() == "sensors: not read in time; look again"
    bench.clock.advance(14)
    bench.note()
    assert bench.starter.last.signals == []
    bench.clock.advance(2)
    assert bench.note() == "sensors: a driver of the board does not answer"
    assert bench.starter.last.signals == [9]
    bench.starter.on_start = answers()
    eventually(lambda: not bench.sensors._lost or not bench.sensors._lost.runs)
    bench.sensors._patience_s = 30.0
    bench.clock.advance(11)
    assert bench.sensors.latest() == WARM


def test_of_children_that_cannot_be_killed_there_is_one() -> None:
    bench = Bench(unkillable, patience_s=0.01)
    for _ in range(20):
        bench.note()
        bench.clock.advance(20)
    assert bench.note() == "sensors: a driver of the board does not answer"
    assert bench.starts == 1
    bench.starter.on_start = answers()
    bench.starter.last.end(-9)  # the driver lets go
    eventually(lambda: bench.sensors._lost is None or not bench.sensors._lost.runs)
    bench.sensors._patience_s = 30.0
    assert bench.sensors.latest() == WARM


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b"hello\n", "telemetry: not JSON"),
        (b'{"temperatures": [{"zone": "cpu", "celsius": 1e9}]}\n', "celsius: expected -60 to 200"),
        (b'{"temperatures": [{"zone": "\\u001b[2J", "celsius": 20}]}\n', "a short name such as gpu"),
        (b"x" * (65 << 10), "their reader says too much"),
    ],
)
def test_what_is_no_reading_is_refused_and_its_child_ended(line: bytes, said: str) -> None:
    bench = Bench(answers(line))
    note = bench.note()
    assert said in note
    assert bench.starter.last.signals == [9]
    assert bench.note() == note
    assert bench.starts == 1, "one that fails at once is not started at every look"


def test_a_child_that_dies_says_why() -> None:
    def dies(child: FakeChild) -> None:
        child.say("Traceback\n  somewhere\nMemoryError: \x1b[2Jno\n")
        child.end(1)

    found = Bench(dies).sensors.latest()
    assert found.notes == ("sensors: cannot be read: their reader has ended: MemoryError: no",)
    assert from_message(BoardTelemetry, to_line(found), "what the host reads") == found


def test_a_child_that_cannot_be_started_says_why() -> None:
    bench = Bench(silent)
    bench.starter.error = InputError("python3 may not be run", hint="ls -ld python3")
    assert bench.note() == "sensors: cannot be read: python3 may not be run"
