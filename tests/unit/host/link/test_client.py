"""Speaking with a keeper: greetings, answers, refusals, and where there is none."""

from __future__ import annotations

import pytest

from edgekit import errors
from edgekit.host.link.client import KeeperClient
from edgekit.schema.board import BoardPaths
from edgekit.schema.control import Event
from edgekit.schema.fleet import Device
from tests.fakes.keeper_link import FakeLink

DEVICE = Device(name="gate-7", address="root@gate-7")


def test_where_the_program_lies() -> None:
    assert BoardPaths(prefix="/").program == "/usr/lib/edgekit/edgekitd.pyz"
    command = BoardPaths(prefix="/home/ann/ek").command("connect")
    assert command[2:] == ["/home/ann/ek/usr/lib/edgekit/edgekitd.pyz", "connect", "--prefix", "/home/ann/ek"]


def test_it_greets_and_asks() -> None:
    link = FakeLink()
    with KeeperClient(DEVICE, link) as keeper:
        assert keeper.status() == link.status
    assert link.verbs() == ["hello", "status"]


@pytest.mark.parametrize("greeting", ["Welcome to gate-7!\n{}", "no newline at the end", '{"kind": "done"}'])
def test_a_login_shell_that_greets_is_not_taken_for_the_keeper(greeting: str) -> None:
    link = FakeLink(greeting=greeting)
    with KeeperClient(DEVICE, link) as keeper:
        assert keeper.status() == link.status


def test_another_protocol_is_cured_by_provisioning() -> None:
    with pytest.raises(errors.InputError, match="speaks protocol 99, this edgekit speaks") as caught:
        KeeperClient(DEVICE, FakeLink(protocol=99)).__enter__()
    assert caught.value.hint == "edgekit provision gate-7"


@pytest.mark.parametrize("code", sorted(set(errors.BY_EXIT_CODE) - {1}))
def test_refusals_keep_their_class_and_words(code: int) -> None:
    event = Event(kind="error", message="no", exit_code=code, hint="do this", details="whole")
    link = FakeLink(refuse={"install": event})
    with KeeperClient(DEVICE, link) as keeper, pytest.raises(errors.EdgekitError) as caught:
        keeper.ask("install", digest="ab")
    error = caught.value
    assert type(error) is errors.BY_EXIT_CODE[code]
    assert (error.message, error.hint, error.details) == ("no", "do this", "whole")


def test_events_before_the_end_are_told() -> None:
    seen: list[Event] = []
    with KeeperClient(DEVICE, FakeLink()) as keeper:
        keeper.ask("activate", digest="ab", watch=seen.append)
    assert [event.message for event in seen] == ["activating"]


@pytest.mark.parametrize(
    ("says", "kind", "message", "hint"),
    [
        (
            "python3: can't open file '/usr/lib/edgekit/edgekitd.pyz': [Errno 2] No such file or directory",
            errors.Unreachable,
            "gate-7 has no keeper",
            "edgekit provision gate-7",
        ),
        ("sh: 1: exec: python3: not found", errors.Unreachable, "gate-7 has no python3", "install Python 3.10"),
        (
            "the keeper does not answer on /run/edgekit/control.sock: Permission denied",
            errors.Unreachable,
            "you may not speak with the keeper on gate-7",
            "log in as root",
        ),
        (
            "the keeper does not answer on /run/edgekit/control.sock: Connection refused",
            errors.Unreachable,
            "the keeper on gate-7 does not answer",
            "edgekit provision gate-7 starts it",
        ),
    ],
)
def test_why_there_is_no_answer(says: str, kind: type[errors.EdgekitError], message: str, hint: str) -> None:
    with pytest.raises(kind, match=message) as caught:
        KeeperClient(DEVICE, FakeLink(says=says)).__enter__()
    assert caught.value.hint.startswith(hint)
    assert caught.value.details == says


def test_small_chunks_travel_together_and_a_refusal_stops_the_rest() -> None:
    full = Event(kind="error", message="the disk is full", exit_code=8, hint="free some")
    link = FakeLink(refuse={"chunk": full})
    sent = 0
    with KeeperClient(DEVICE, link) as keeper, pytest.raises(errors.RolloutError, match="the disk is full"):
        for _ in range(100):
            keeper.send("chunk", sha256="ab", offset=0, payload=b"x" * (32 << 10))
            sent += 1
    assert 1 < sent < 20


def test_a_feature_is_asked_for_before_it_is_used() -> None:
    """One application of several is named only to a keeper that announces them: another would act on the only one."""
    link = FakeLink(features=())
    with KeeperClient(DEVICE, link) as keeper:
        assert not keeper.can("applications")
        for refused in (
            lambda: keeper.change("rollback", "sorter", lambda event: None),
            lambda: keeper.logs(lambda event: None, application="sorter", lines=1, follow=False),
        ):
            with pytest.raises(errors.InputError, match="the keeper on gate-7 is older and cannot") as caught:
                refused()
            assert caught.value.hint == "edgekit provision gate-7"
        assert link.verbs() == ["hello"]
        keeper.change("rollback", "", lambda event: None)
    assert link.asked[-1].verb == "rollback"
    with KeeperClient(DEVICE, FakeLink()) as keeper:
        assert keeper.can("applications") and keeper.can("zlib")
