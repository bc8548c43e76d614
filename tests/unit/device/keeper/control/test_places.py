"""Places are bounded, some are kept for what must not wait, and idle clients lose theirs to others."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from edgekit.device.keeper.control.places import KEPT_CONNECTIONS, MAX_CONNECTIONS, ClientPlace, Places
from tests.fakes.clock import Clock


class Crowd:
    """Clients, each with the keeper's end of its connection."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.places = Places(self.clock)
        self.pairs: list[tuple[socket.socket, socket.socket]] = []

    def come(self) -> ClientPlace | None:
        pair = socket.socketpair()
        self.pairs.append(pair)
        return self.places.take(pair[1])

    def close(self) -> None:
        for pair in self.pairs:
            for end in pair:
                end.close()


@pytest.fixture
def crowd() -> Iterator[Crowd]:
    crowd = Crowd()
    yield crowd
    crowd.close()


def fill(crowd: Crowd) -> list[ClientPlace]:
    """Take all places; nobody is idle."""
    found = [crowd.come() for _ in range(MAX_CONNECTIONS + KEPT_CONNECTIONS)]
    taken = [place for place in found if place]
    assert [place.urgent for place in taken] == [False] * MAX_CONNECTIONS + [True] * KEPT_CONNECTIONS
    for place in taken:
        place.idle_since_s = None
    return taken


def test_where_nobody_is_idle_nobody_has_to_go(crowd: Crowd) -> None:
    taken = fill(crowd)
    crowd.clock.advance(10_000)
    assert crowd.come() is None
    crowd.places.give_back(taken[3])
    place = crowd.come()
    assert place and not place.urgent


def test_the_one_that_has_been_idle_for_longest_loses_its_place(crowd: Crowd) -> None:
    taken = fill(crowd)
    for number in (5, 2):
        crowd.places.waits(taken[number])
        crowd.clock.advance(10)
    assert crowd.come() is None, "not for long yet"
    crowd.clock.advance(45)
    place = crowd.come()
    assert place and not place.urgent
    assert crowd.pairs[5][0].recv(1) == b"", "its connection is ended"
    crowd.places.give_back(taken[5])
    assert crowd.come() is None, "what was given away is not given back besides"


def test_a_kept_place_is_held_by_an_idle_client_for_half_a_second(crowd: Crowd) -> None:
    taken = fill(crowd)
    crowd.places.waits(taken[-1])
    crowd.clock.advance(0.4)
    assert crowd.come() is None
    crowd.clock.advance(0.2)
    place = crowd.come()
    assert place and place.urgent
