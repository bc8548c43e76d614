"""Who holds a lock lets itself be heard, or loses it; who breaks one is named; slow clients hold up nobody for long."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from edgekit.device.keeper.control.listener import ControlServer
from edgekit.device.keeper.control.wire import ClientPatience
from tests.fakes.eventually import eventually
from tests.fakes.keeper import Bench, pulse
from tests.unit.device.keeper.control.test_listener import RELEASE, Client, deploy

SOON = ClientPatience(lease_s=0.4, urgent_s=0.4, transfer_s=0.4)


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    """A keeper whose patience is short."""

    bench: Bench

    def client(self) -> Client:
        return Client(self.bench.layout.socket)


@pytest.fixture
def board(tmp_path: Path) -> Iterator[Board]:
    bench, done = Bench(tmp_path), threading.Event()

    def turn() -> None:
        while not done.wait(0.005):
            bench.turn()

    bench.starter.on_start = pulse
    server = ControlServer(bench.services(), bench.layout.socket, group=None, log=print, patience=SOON)
    server.start()
    loop = threading.Thread(target=turn)
    loop.start()
    yield Board(bench=bench)
    done.set()
    loop.join()
    server.close()


def test_a_client_that_says_nothing_loses_its_leased_lock_and_learns_why(board: Board) -> None:
    asleep = board.client()
    assert asleep.ask("lock", application="sorter", holder="bob", lease=True).kind == "done"
    other = board.client()
    assert other.ask("lock", application="sorter", holder="ann").exit_code == 9
    eventually(lambda: other.ask("lock", application="sorter", holder="ann").kind == "done")
    event = asleep.event()
    assert (event.exit_code, event.message) == (
        7,
        "nothing was heard of you for 0.4 s: your deployment lock is given back",
    )
    assert asleep.ended()


def test_pings_keep_it_between_any_two_requests(board: Board) -> None:
    client, began_s = board.client(), time.monotonic()
    client.ask("lock", application="sorter", holder="bob", lease=True)
    while time.monotonic() < began_s + 3 * SOON.lease_s:
        client.send("ping")
        time.sleep(SOON.lease_s / 8)
    client.offer()
    client.send("chunk", b"x", sha256=RELEASE.digest)
    client.send("ping")
    client.send("chunk", b"x", sha256=RELEASE.digest)
    assert "is in no release offered" in client.event().message
    assert client.ask("hello").kind == "done", "the error was told once, whatever pings came between"


def test_a_client_that_promised_nothing_is_waited_for_as_ever(board: Board) -> None:
    older = board.client()
    older.ask("lock", application="sorter", holder="bob")
    time.sleep(2 * SOON.lease_s)
    assert older.ask("status").data["locks"] == {"sorter": "bob"}


def test_a_broken_lock_is_told_to_both_and_logged(board: Board) -> None:
    robbed, robber = board.client(), board.client()
    robbed.offer()
    robbed.ask("lock", application="sorter", holder="bob@desk", lease=False)
    refused = robber.ask("lock", application="sorter", holder="ann@lab")
    assert "--break-lock" in refused.hint and refused.data == {"holder": "bob@desk"}
    robber.send("lock", application="sorter", holder="ann@lab", break_lock=True)
    told = robber.event()
    assert told.kind == "progress"
    assert told.message.startswith("ann@lab took the deployment lock of sorter from bob@desk, who had it since 2")
    assert robber.event().kind == "done"
    assert f"keeper: {told.message}" in [line.text for line in board.bench.journal.tail(9)]
    event = robbed.ask("install", digest=RELEASE.digest)
    assert (event.exit_code, event.message.partition(" at ")[0]) == (
        9,
        "ann@lab took the deployment lock of sorter from you",
    )
    assert robber.ask("status").data["locks"] == {"sorter": "ann@lab"}


@pytest.mark.parametrize("verb", ["rollback", "stop", "start", "remove"])
def test_what_changes_an_application_breaks_the_lock_where_that_is_asked_for(board: Board, verb: str) -> None:
    holder = board.client()
    for _ in range(2):
        deploy(holder, RELEASE)
    holder.ask("lock", application="sorter", holder="bob")
    other = board.client()
    assert other.ask(verb, application="sorter", holder="ann").exit_code == 9
    other.send(verb, application="sorter", holder="ann", break_lock=True)
    assert "ann took the deployment lock of sorter from bob" in other.event().message
    while (event := other.event()).kind not in ("done", "error"):
        pass
    assert event.exit_code == (3 if verb == "rollback" else 0), event
    assert other.ask("status").data["locks"] == {}, "it is held for that one request, well or badly ended"


def test_a_line_and_a_payload_that_drip_in_are_not_waited_for(board: Board) -> None:
    """A byte in time again and again is no request: it would hold a place, and a lock, for ever."""
    for begun in (b"", b'{"verb": "chunk", "payload_bytes": 1000000}\n'):
        client = board.client()
        client.ask("lock", application="sorter", holder="bob")
        client.socket.sendall(begun)

        def drip(client: Client = client) -> bool:
            try:
                client.socket.sendall(b"x")
            except OSError:
                return True
            return False

        eventually(drip)
        eventually(lambda: board.client().ask("status").data["locks"] == {})


def test_one_after_the_other_nobody_meets_their_own_lock(board: Board) -> None:
    """`deploy && rollback`, as fast as answers come: the lock is free when the outcome is told, well or badly."""
    for number in range(10):
        client = board.client()
        client.ask("lock", application="sorter", holder="bob", lease=True)
        deploy(client, RELEASE)
        again = board.client()
        assert again.ask("rollback", application="sorter").exit_code == 3, f"nothing to go back to ({number})"
        assert again.ask("lock", application="sorter", holder="bob").kind == "done"
        again.file.close()
        again.socket.close()
        eventually(lambda: board.client().ask("status").data["locks"] == {})
