"""Connections to served models: who does not go on asking is hung up on, and there are not more than there may be."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from edgekit.device.runtime.server import connections
from tests.fakes.eventually import PATIENCE_S, eventually
from tests.fakes.serving import ServingBench


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[ServingBench]:
    with ServingBench(tmp_path) as made:
        yield made


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, seconds in (("ASK_S", 0.3), ("STILL_S", 0.3), ("LOOK_EVERY_S", 0.05)):
        monkeypatch.setattr(connections, name, seconds)
    monkeypatch.setattr(connections, "SLOWEST_BYTES_S", 1e9)


BEGUN = b"POST /v2/models/net/infer HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n"


@pytest.mark.parametrize("sent", [b"", b"GET /v2", BEGUN, BEGUN + b"half", b"GET /v2 HTTP/1.1\r\nHost: x\r\n\r\nGET /"])
def test_who_does_not_go_on_asking_is_hung_up_on(hurried: None, bench: ServingBench, sent: bytes) -> None:
    with socket.create_connection(("127.0.0.1", bench.port), timeout=PATIENCE_S) as client:
        client.sendall(sent)
        try:
            while client.recv(4096):
                pass
        except ConnectionResetError:
            pass
    eventually(lambda: bench.figures.under_way == 0)
    assert bench.ask("GET", "/v2")[0] == 200


def test_who_was_answered_and_does_not_go_on_asking_is_hung_up_on(hurried: None, bench: ServingBench) -> None:
    with socket.create_connection(("127.0.0.1", bench.port), timeout=5.0) as client:
        client.sendall(b"GET /v2/health/live HTTP/1.1\r\nHost: x\r\n\r\n")
        assert client.recv(4096).startswith(b"HTTP/1.1 200")
        client.sendall(b"GET /v2")
        with suppress(ConnectionResetError):
            assert client.recv(4096) == b""


def test_who_drips_bytes_holds_no_place_for_long(hurried: None, bench: ServingBench) -> None:
    with socket.create_connection(("127.0.0.1", bench.port), timeout=PATIENCE_S) as client:
        client.sendall(BEGUN)
        with pytest.raises(OSError):
            for _ in range(10_000):
                client.sendall(b"x")
                time.sleep(0.02)
    eventually(lambda: bench.figures.under_way == 0)


def test_connections_are_kept_between_requests_and_are_not_without_number(bench: ServingBench) -> None:
    connection = bench.connect()
    for _ in range(3):
        connection.request("GET", "/v2")
        assert connection.getresponse().read()
    opened = [socket.create_connection(("127.0.0.1", bench.port), timeout=PATIENCE_S) for _ in range(80)]
    eventually(lambda: _hung_up(opened) >= 15)
    connection.request("GET", "/v2")
    assert connection.getresponse().status == 200, "who was there before stays"
    connection.close()
    for one in opened:
        one.close()
    eventually(lambda: _answers(bench))


def _answers(bench: ServingBench) -> bool:
    try:
        return bench.ask("GET", "/v2")[0] == 200
    except OSError:
        return False


def _hung_up(clients: list[socket.socket]) -> int:
    count = 0
    for client in clients:
        client.setblocking(False)
        try:
            count += client.recv(1) == b""
        except BlockingIOError:
            pass
        except ConnectionResetError:
            count += 1
    return count
