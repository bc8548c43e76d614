"""Whoever reaches the preview cannot stop it or make it grow: slow and endless heads, garbage, hoarded connections."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from edgekit.device.runtime.server import connections
from tests.fakes.eventually import eventually
from tests.fakes.viewers import PreviewBench, parts, plain_image, preview_bench, viewer


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[PreviewBench]:
    """A preview whose patience is short."""
    for name, seconds in (("ASK_S", 0.6), ("STILL_S", 0.8), ("LOOK_EVERY_S", 0.1)):
        monkeypatch.setattr(connections, name, seconds)
    with preview_bench(tmp_path, viewers=2) as bench:
        assert bench.get("/state")[0] == 200
        yield bench


def connected(bench: PreviewBench) -> socket.socket:
    client = socket.socket(socket.AF_UNIX)
    client.connect(str(bench.path))  # waits while too many stand in line
    client.settimeout(20)
    return client


def hung_up(client: socket.socket) -> bool:
    """Whether the other side has gone; what it said before is thrown away."""
    client.settimeout(0.05)
    try:
        while client.recv(1 << 16):
            pass
    except TimeoutError:
        return False
    except OSError:
        pass
    return True


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def test_who_never_ends_to_ask_is_hung_up_on(bench: PreviewBench) -> None:
    silent, slow = connected(bench), connected(bench)
    slow.send(b"GET /state HTTP/1.1\r\n")

    def dripped() -> bool:
        try:
            slow.send(b"x-drip: 1\r\n")
        except OSError:
            return True
        time.sleep(0.02)
        return False

    eventually(dripped)
    eventually(lambda: hung_up(silent))
    assert bench.get("/state")[0] == 200


@pytest.mark.parametrize(
    "said",
    [
        b"GET /" + b"a" * 100_000,
        b"GET / HTTP/1.1\r\n" + b"x: " + b"y" * 1_000_000,
        b"GET / HTTP/1.1\r\n" + b"x: y\r\n" * 100_000,
        os.urandom(100_000),
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500),
        b"\r\n" * 100_000,
        b"GET / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        b"GET /state HTTP/9.9\r\nhost: a\r\n\r\n",
        b"GET /\xff\xfe HTTP/1.1\r\nhost: a\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n",
    ],
    ids=["path", "header", "headers", "noise", "tls", "lines", "chunk", "version", "bytes", "http2", "websocket"],
)
def test_garbage_is_answered_or_hung_up_on(bench: PreviewBench, said: bytes, capfd: pytest.CaptureFixture[str]) -> None:
    client = connected(bench)
    with suppress(OSError):
        client.sendall(said)
    eventually(lambda: hung_up(client))
    assert bench.get("/state")[0] == 200
    assert capfd.readouterr().err == "", "who sends garbage writes the journal"


def test_a_body_without_end_is_not_read(bench: PreviewBench) -> None:
    before = resident_bytes()
    client = connected(bench)
    client.sendall(b"POST /state HTTP/1.1\r\nhost: a\r\ncontent-length: 99999999999\r\n\r\n")
    sent = 0
    try:
        while sent < 200 << 20:
            sent += client.send(bytes(1 << 16))
    except OSError:
        pass
    assert sent < 100 << 20
    assert resident_bytes() - before < 30 << 20
    assert bench.get("/state")[0] == 200


def test_connections_are_counted_and_the_next_ones_turned_away(bench: PreviewBench) -> None:
    files = len(list(Path("/proc/self/fd").iterdir()))
    hoard = [connected(bench) for _ in range(10)]
    more = [connected(bench) for _ in range(100)]
    eventually(lambda: sum(map(hung_up, more)) >= 100 - 10)
    for one in (*hoard, *more):
        one.close()
    eventually(lambda: len(list(Path("/proc/self/fd").iterdir())) <= files)
    assert bench.get("/state")[0] == 200


def test_a_viewer_that_takes_nothing_is_hung_up_on_and_costs_no_memory(bench: PreviewBench) -> None:
    before = resident_bytes()
    client = connected(bench)
    client.sendall(b"GET /stream/gate HTTP/1.1\r\nhost: a\r\n\r\n")
    eventually(lambda: bench.sink._newest.is_watched("gate"))
    image = plain_image()
    image.y[::2] = 255

    def left() -> bool:
        bench.feed(image=image)
        time.sleep(0.01)
        return not bench.sink._newest.is_watched("gate")

    eventually(left)
    assert resident_bytes() - before < 30 << 20
    assert bench.get("/state")[0] == 200


def test_requests_behind_the_first_are_not_answered(bench: PreviewBench) -> None:
    client = connected(bench)
    client.sendall(b"GET /state HTTP/1.1\r\nhost: a\r\n\r\n" * 50)
    client.settimeout(20)
    answer = b""
    try:
        while piece := client.recv(1 << 16):
            answer += piece
    except OSError:
        pass
    assert answer.count(b"HTTP/1.1 200") == 1


def test_viewers_that_come_and_go_leave_nothing(bench: PreviewBench) -> None:
    for number in range(60):
        with viewer(bench.path) as connection:
            connection.request("GET", "/stream/gate")
            answer = parts(connection.getresponse())
            if number % 2:
                eventually(lambda: bench.sink._newest.is_watched("gate"))
                eventually(lambda: bench.feed() and bench.sink._newest.of("gate"))
                next(answer)
            del answer
    eventually(lambda: not bench.sink._newest.is_watched("gate"))
    eventually(lambda: bench.sink._service._looking == 0)


def test_closing_ends_viewers_and_threads(tmp_path: Path) -> None:
    before = threading.active_count()
    with preview_bench(tmp_path) as bench, viewer(bench.path) as connection:
        connection.request("GET", "/stream/gate")
        answer = connection.getresponse()
        bench.feed()
        next(parts(answer))
        bench.sink.close()
        assert threading.active_count() == before
    with pytest.raises(OSError, match="refused"):
        connected(bench)
