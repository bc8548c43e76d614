"""One chunk that brings several blobs: each is whole or begun as if it had come alone, and nothing else fits."""

from __future__ import annotations

import json
import socket
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from edgekit.device.keeper.control.listener import ControlServer
from edgekit.schema.control import Offer
from edgekit.schema.message import from_message_data
from tests.fakes.eventually import eventually
from tests.fakes.keeper import Bench
from tests.fakes.releases import make_release
from tests.unit.device.keeper.control.test_listener import Client

RELEASE = make_release(extra={f"app/part-{number}": bytes([number]) * (900 + number) for number in range(6)})
BLOBS = {sha256: data for sha256, data in RELEASE.blobs.items() if data}
NAMES = sorted(BLOBS)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


@pytest.fixture
def client(bench: Bench) -> Iterator[Client]:
    server = ControlServer(bench.services(), bench.layout.socket, group=None, log=print)
    server.start()
    client = begun(bench)
    yield client
    client.file.close()
    client.socket.close()
    server.close()


def begun(bench: Bench) -> Client:
    """A client that has the lock, and has offered the release."""
    client = Client(bench.layout.socket)
    eventually(lambda: client.ask("lock", application="sorter", holder="me").kind == "done")
    assert client.offer(RELEASE).kind == "done"
    return client


def joined(names: Sequence[str]) -> bytes:
    return b"".join(BLOBS[name] for name in names)


def send(client: Client, names: Sequence[str], payload: bytes | None = None, **fields: object) -> None:
    """Blobs by the beginnings of their digests."""
    first, *more = (name[:10] for name in names)
    client.send("chunk", joined(names) if payload is None else payload, sha256=first, more=more, **fields)


def have(client: Client) -> dict[str, int]:
    """What is missing, and how much of it has come."""
    missing = from_message_data(Offer, client.offer(RELEASE).data, "offer").missing
    return {blob.sha256: blob.have_bytes for blob in missing}


@pytest.mark.parametrize("encoding", ["raw", "zlib"])
def test_a_whole_release_comes_as_one(client: Client, bench: Bench, encoding: str) -> None:
    payload = joined(NAMES)
    send(client, NAMES, zlib.compress(payload) if encoding == "zlib" else payload, encoding=encoding)
    assert have(client) == {}
    assert client.ask("install", digest=RELEASE.digest).kind == "done"
    for entry in RELEASE.manifest.files:
        assert (bench.layout.release(RELEASE.digest) / entry.path).read_bytes() == RELEASE.blobs[entry.sha256]


def test_it_goes_on_with_a_begun_blob(client: Client) -> None:
    client.send("chunk", BLOBS[NAMES[0]][:100], sha256=NAMES[0])
    send(client, NAMES, joined(NAMES)[100:], offset=100)
    assert have(client) == {}


@pytest.mark.parametrize("encoding", ["raw", "zlib"])
def test_what_came_before_the_client_went_away_is_kept(client: Client, bench: Bench, encoding: str) -> None:
    payload = joined(NAMES)
    come = len(BLOBS[NAMES[0]]) + len(BLOBS[NAMES[1]]) + 50
    sent = payload if encoding == "raw" else zlib.compress(payload, 0)
    request = {"verb": "chunk", "sha256": NAMES[0], "more": NAMES[1:], "payload_bytes": len(sent), "encoding": encoding}
    client.socket.sendall(json.dumps(request).encode() + b"\n" + sent[: come + 20 if encoding == "zlib" else come])
    client.socket.shutdown(socket.SHUT_WR)
    assert client.event().kind == "error"
    left = have(again := begun(bench))
    assert set(left) == set(NAMES[2:])
    assert 0 < left[NAMES[2]] < len(BLOBS[NAMES[2]])
    assert not any(left[name] for name in NAMES[3:])
    again.file.close()
    again.socket.close()


@pytest.mark.parametrize(
    ("payload", "fields"),
    [
        (joined(NAMES)[:-1], {}),
        (joined(NAMES) + b"x", {}),
        (zlib.compress(joined(NAMES) + b"x"), {"encoding": "zlib"}),
        (zlib.compress(joined(NAMES))[:-5], {"encoding": "zlib"}),
        (joined(NAMES[1:]), {"offset": len(BLOBS[NAMES[0]])}),
        (joined(NAMES), {"offset": -1}),
        (b"", {}),
    ],
    ids=["short", "long", "grows", "cut", "past the first", "negative", "empty"],
)
def test_what_does_not_fit_is_refused_and_nothing_of_it_kept(
    client: Client, payload: bytes, fields: dict[str, object]
) -> None:
    send(client, NAMES, payload, **fields)
    assert client.event().exit_code == 2
    assert have(client) == dict.fromkeys(NAMES, 0)


def test_one_that_is_in_no_offered_release_is_refused(client: Client) -> None:
    client.send("chunk", joined(NAMES[:1]), sha256=NAMES[0], more=["0" * 64])
    event = client.event()
    assert event.exit_code == 2 and "in no release" in event.message
    assert have(client) == dict.fromkeys(NAMES, 0)


def test_a_damaged_one_is_thrown_away_and_those_before_it_stay(client: Client) -> None:
    damaged = bytearray(joined(NAMES))
    damaged[len(BLOBS[NAMES[0]])] ^= 1
    send(client, NAMES, bytes(damaged))
    event = client.event()
    assert event.exit_code == 6 and NAMES[1][:12] in event.message
    assert have(client) == dict.fromkeys(NAMES[1:], 0)
