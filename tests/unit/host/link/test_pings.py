"""A client that holds a lock and is busy elsewhere lets itself be heard; never in the middle of anything."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field

import pytest

from edgekit.errors import InputError, Unreachable
from edgekit.host.link.client import KeeperClient
from edgekit.host.link.pings import Pings
from edgekit.schema.control import Event
from edgekit.schema.fleet import Device
from tests.fakes.eventually import eventually
from tests.fakes.keeper_link import FakeLink

DEVICE = Device(name="gate-7", address="root@gate-7")


def test_they_come_while_the_lock_is_held_and_end_with_the_conversation() -> None:
    link = FakeLink()
    with KeeperClient(DEVICE, link, ping_s=0.01) as keeper:
        keeper.lock("sorter", "ann@desk")
        assert (link.asked[-1].lease, link.asked[-1].break_lock) == (True, False)
        eventually(lambda: link.verbs()[-1] == "ping")
    before = len([thread for thread in threading.enumerate() if thread.name == "pings"])
    eventually(lambda: not [thread for thread in threading.enumerate() if thread.name == "pings"])
    assert before <= 1


def test_none_come_between_a_request_and_its_answer() -> None:
    link = FakeLink()
    seen: list[str] = []

    def wait(_: Event) -> None:
        keeper._ping()
        seen.append(link.asked[-1].verb)

    with KeeperClient(DEVICE, link) as keeper:
        keeper.lock("sorter", "ann@desk")
        keeper.ask("activate", digest="ab", watch=wait)
        assert seen == ["activate"]
        keeper._ping()
        assert link.asked[-1].verb == "ping"


def test_why_a_keeper_hung_up_is_left_to_who_speaks_next() -> None:
    over = Event(kind="error", message="nothing was heard of you for 60 s", exit_code=7, hint="deploy again")
    link = FakeLink(refuse={"ping": over}, breaks=[("status", 1)])
    with KeeperClient(DEVICE, link) as keeper:
        keeper.lock("sorter", "ann@desk")
        keeper._ping()
        keeper._ping()
        with pytest.raises(Unreachable, match="nothing was heard of you"):
            keeper.ask("status")


def test_an_older_keeper_gets_none_and_breaks_no_lock() -> None:
    link = FakeLink(features=("applications",))
    with KeeperClient(DEVICE, link, ping_s=0.01) as keeper:
        keeper.lock("sorter", "ann@desk")
        assert not link.asked[-1].lease and keeper._pings is None
        for refused in (
            lambda: keeper.lock("sorter", "ann@desk", break_lock=True),
            lambda: keeper.change("stop", "sorter", lambda _: None, break_lock=True),
        ):
            with pytest.raises(InputError, match="is older and cannot let anybody break a lock") as caught:
                refused()
            assert caught.value.hint == "edgekit provision gate-7"


@dataclass(slots=True)
class BadLine:
    """A way on which nothing goes any more."""

    tries: int = 0
    error: Exception = field(default_factory=lambda: Unreachable("the connection broke", hint="try again"))

    def __call__(self) -> None:
        self.tries += 1
        raise self.error


@pytest.mark.parametrize("error", [Unreachable("the connection broke", hint="try again"), OSError("closed")])
def test_a_dead_link_is_left_to_who_speaks_next(error: Exception) -> None:
    line = BadLine(error=error)
    pings = Pings(line, 0.001)
    eventually(lambda: line.tries > 2)
    pings.stop()


def test_one_under_way_is_waited_for_as_its_stream_is_closed_next() -> None:
    """Else it is written to whatever has the descriptor's number by then."""
    began, done = threading.Event(), threading.Event()

    def ping() -> None:
        began.set()
        time.sleep(0.1)
        done.set()

    pings = Pings(ping, 0.001)
    assert began.wait(10)
    pings.stop()
    assert done.is_set()


def test_a_client_says_who_it_is_when_it_changes_something() -> None:
    link = FakeLink()
    with KeeperClient(DEVICE, link) as keeper:
        keeper.change("rollback", "sorter", lambda _: None, break_lock=True)
    assert "@" in link.asked[-1].holder and link.asked[-1].break_lock
