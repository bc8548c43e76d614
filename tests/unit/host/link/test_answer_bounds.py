"""An answer ends, whatever the device does: in time, in lines, and in bytes."""

from __future__ import annotations

import pytest

from edgekit.errors import Unreachable
from edgekit.host.link.answer_bounds import ACTIVATION_WHOLE_S, WHOLE_S, AnswerBounds
from edgekit.host.link.client import ACTIVATION_S, ANSWER_S, KeeperClient
from edgekit.schema.control import Event, Request
from edgekit.schema.fleet import Device
from tests.fakes.keeper_link import FakeLink


class Clock:
    """Time that a test moves."""

    now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def dripped(bounds: AnswerBounds, clock: Clock, every_s: float) -> float:
    """How long somebody holds out who is told something now and then."""
    began_s = clock.now_s
    with pytest.raises(Unreachable, match="the keeper on gate-7 answers without end"):
        while True:
            left_s = bounds.next_s()
            assert left_s is not None
            clock.now_s += min(every_s, left_s)
            bounds.count(b"x\n")
    return clock.now_s - began_s


@pytest.mark.parametrize(
    ("silence_s", "whole_s", "every_s", "held_s"),
    [
        (ANSWER_S, WHOLE_S, 100.0, WHOLE_S),
        (ACTIVATION_S, ACTIVATION_WHOLE_S, 800.0, ACTIVATION_WHOLE_S),
    ],
    ids=["usual", "activation"],
)
def test_a_device_that_drips_is_left_in_time(silence_s: float, whole_s: float, every_s: float, held_s: float) -> None:
    clock = Clock()
    assert dripped(AnswerBounds("gate-7", silence_s, whole_s, watched=True, clock=clock), clock, every_s) == held_s


def test_silence_is_not_borne_longer_than_the_whole() -> None:
    clock = Clock()
    bounds = AnswerBounds("gate-7", 120.0, 150.0, clock=clock)
    assert bounds.next_s() == 120.0
    clock.now_s += 100.0
    assert bounds.next_s() == 50.0


@pytest.mark.parametrize(("watched", "lines", "large"), [(False, 1000, 4), (True, 100_000, 64)])
def test_lines_and_bytes_are_counted(watched: bool, lines: int, large: int) -> None:
    for line, most in ((b"x\n", lines), (b"x" * (4 << 20), large)):
        bounds = AnswerBounds("gate-7", 60.0, watched=watched)
        for _ in range(most):
            bounds.count(line)
        with pytest.raises(Unreachable):
            bounds.count(line)


def test_what_is_followed_has_no_end() -> None:
    clock = Clock()
    bounds = AnswerBounds("gate-7", None, WHOLE_S, clock=clock)
    for _ in range(200_000):
        bounds.count(b"x" * 9000)
    clock.now_s += 1e9
    assert bounds.next_s() is None


class Talker(FakeLink):
    """Its keeper tells of its progress when it is asked how it is."""

    def answer(self, request: Request, payload: bytes) -> list[Event]:
        """See `FakeLink.answer`."""
        usual = super().answer(request, payload)
        return [Event(kind="progress", message="on")] * 2000 if request.verb == "status" else usual


def test_a_keeper_that_tells_without_end_is_left() -> None:
    with KeeperClient(Device(name="gate-7", address="root@gate-7"), Talker()) as keeper, pytest.raises(Unreachable):
        keeper.status()
