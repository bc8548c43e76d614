"""The socket: every verb, refusals with their exit codes, bounds, the deployment lock, and clients that misbehave."""

from __future__ import annotations

import base64
import json
import os
import resource
import socket
import threading
import time
import zlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from edgekit.device.keeper.control.listener import KEPT_CONNECTIONS, MAX_CONNECTIONS, ControlServer
from edgekit.device.keeper.control.session import Services
from edgekit.schema.clips import ClipPiece, KeptClip
from edgekit.schema.control import Event, Hello, Offer, Status
from edgekit.schema.control_bounds import MAX_CHUNK_BYTES
from edgekit.schema.control_features import FEATURES
from edgekit.schema.message import from_message, from_message_data, to_message
from edgekit.schema.sink import ClipSink, JsonlSink, RecipeSink
from edgekit.trust import sha256_bytes
from tests.fakes.keeper import Bench, pulse
from tests.fakes.releases import FakeRelease, make_plan, make_release
from tests.fakes.signers import fake_signature

RELEASE = make_release(extra={"engines/net.onnx": b"weights" * 5000})


class Client:
    """A client with no manners of its own."""

    def __init__(self, path: Path) -> None:
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(10)
        self.socket.connect(str(path))
        self.file = self.socket.makefile("rb")

    def send(self, verb: str, payload: bytes = b"", **fields: object) -> None:
        request = {"verb": verb, "payload_bytes": len(payload), **fields}
        self.socket.sendall(json.dumps(request).encode() + b"\n" + payload)

    def event(self) -> Event:
        return from_message(Event, self.file.readline(), "event")

    def ask(self, verb: str, payload: bytes = b"", **fields: object) -> Event:
        """Send and read up to the answer's last line."""
        self.send(verb, payload, **fields)
        while (event := self.event()).kind not in ("done", "error"):
            pass
        return event

    def offer(self, release: FakeRelease = RELEASE) -> Event:
        payload = release.manifest_json + release.signature
        return self.ask("offer", payload, signature_bytes=len(release.signature))

    def push(self, release: FakeRelease = RELEASE) -> None:
        offer = from_message_data(Offer, self.offer(release).data, "offer")
        for blob in offer.missing:
            data = release.blobs[blob.sha256][blob.have_bytes :]
            self.send("chunk", zlib.compress(data), sha256=blob.sha256, offset=blob.have_bytes, encoding="zlib")

    def ended(self) -> bool:
        """Whether the keeper has closed the connection."""
        try:
            return self.file.read(1) == b""
        except ConnectionResetError:
            return True


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


@pytest.fixture
def services(bench: Bench) -> Services:
    return bench.services()


@pytest.fixture
def server(bench: Bench, services: Services) -> Iterator[ControlServer]:
    """The server, and a loop that turns beside it."""
    done = threading.Event()

    def turn() -> None:
        while not done.wait(0.005):
            bench.turn()

    bench.starter.on_start = pulse
    server = ControlServer(services, bench.layout.socket, group=None, log=lambda text: None)
    server.start()
    loop = threading.Thread(target=turn)
    loop.start()
    yield server
    done.set()
    loop.join()
    server.close()


@pytest.fixture
def client(server: ControlServer, bench: Bench) -> Client:
    return Client(bench.layout.socket)


def another(bench: Bench) -> Client:
    return Client(bench.layout.socket)


def test_the_socket_is_its_owners(server: ControlServer, bench: Bench) -> None:
    assert bench.layout.socket.stat().st_mode & 0o777 == 0o600


def test_a_lack_of_descriptors_does_not_deafen_it(server: ControlServer, bench: Bench) -> None:
    """Source: accept(2), EMFILE: the client stays in the queue."""
    waiting = socket.socket(socket.AF_UNIX)
    waiting.settimeout(10)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowest_free = os.dup(waiting.fileno())
    os.close(lowest_free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest_free, hard))
    try:
        waiting.connect(str(bench.layout.socket))
        time.sleep(0.5)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    waiting.sendall(b'{"verb": "hello"}\n')
    assert b'"kind":"done"' in waiting.recv(4096).replace(b" ", b"")
    waiting.close()
    assert another(bench).ask("hello").kind == "done"


def test_a_whole_deployment(client: Client, bench: Bench) -> None:
    hello = from_message_data(Hello, client.ask("hello").data, "hello")
    assert hello == Hello(keeper="0.1.0", protocol=1, keeper_sha256="ab", features=FEATURES)
    assert client.ask("lock", application="sorter", holder="ann").kind == "done"
    assert client.ask("status").data["locks"] == {"sorter": "ann"}
    offer = from_message_data(Offer, client.offer().data, "offer")
    assert (offer.digest, offer.signer, offer.installed, offer.current) == (
        RELEASE.digest,
        "ann@example.org",
        False,
        False,
    )
    assert {blob.sha256 for blob in offer.missing} == {sha for sha, data in RELEASE.blobs.items() if data}
    client.push()
    assert client.ask("install", digest=RELEASE.digest).kind == "done"
    client.send("activate", digest=RELEASE.digest)
    events = []
    while not events or events[-1].kind != "done":
        events.append(client.event())
    assert [event.data["phase"] for event in events if event.kind == "state"] == ["activating", "settling", "running"]
    assert any(event.report and event.report.fps == 10.0 for event in events)
    status = from_message_data(Status, client.ask("status").data, "status")
    found = status.find("sorter")
    assert found is not None and found.current is not None
    assert (found.current.digest, found.phase, status.locks) == (RELEASE.digest, "running", {})
    offer = from_message_data(Offer, client.offer().data, "offer")
    assert (offer.installed, offer.current, offer.missing) == (True, True, ())


def test_a_transfer_goes_on_where_it_was_cut(client: Client, bench: Bench) -> None:
    sha256, data = next((sha, data) for sha, data in RELEASE.blobs.items() if data.startswith(b"weights"))
    client.offer()
    client.send("chunk", data[:9999], sha256=sha256)
    client.ask("status")
    client.socket.close()
    client.file.close()
    again = wait_for_lock(bench)
    missing = from_message_data(Offer, again.offer().data, "offer").missing
    assert [blob.have_bytes for blob in missing if blob.sha256 == sha256] == [9999]
    again.push()
    assert again.ask("install", digest=RELEASE.digest).kind == "done"


def wait_for_lock(bench: Bench) -> Client:
    for _ in range(200):
        client = another(bench)
        if client.ask("lock", application="sorter", holder="bob").kind == "done":
            return client
        time.sleep(0.01)
    raise AssertionError("the lock was not given back")


def test_the_lock_belongs_to_one_connection(client: Client, bench: Bench) -> None:
    client.push()
    client.ask("install", digest=RELEASE.digest)
    client.ask("activate", digest=RELEASE.digest)
    client.ask("lock", application="sorter", holder="ann")
    other = another(bench)
    other.offer()
    for verb in ("lock", "install", "activate", "rollback", "start", "stop", "remove"):
        event = other.ask(verb, application="sorter", digest=RELEASE.digest)
        assert (event.kind, event.exit_code) == ("error", 9)
        assert "ann" in event.message
    assert other.ask("status").kind == "done"
    client.socket.close()
    client.file.close()
    wait_for_lock(bench)


@pytest.mark.parametrize(
    ("verb", "fields", "code"),
    [
        ("install", {"digest": "0" * 64}, 3),
        ("install", {"digest": "../etc"}, 2),
        ("activate", {"digest": "0" * 64}, 3),
        ("rollback", {}, 3),
        ("offer", {"signature_bytes": 99}, 2),
        ("offer", {"signature_bytes": -1}, 2),
        ("provenance", {}, 3),
    ],
)
def test_what_cannot_be_done_is_refused_and_the_connection_goes_on(
    client: Client, verb: str, fields: dict[str, Any], code: int
) -> None:
    event = client.ask(verb, **fields)
    assert (event.kind, event.exit_code) == ("error", code)
    assert event.hint
    assert client.ask("hello").kind == "done"


def test_an_unsigned_release_is_refused(client: Client) -> None:
    event = client.ask("offer", RELEASE.manifest_json)
    assert (event.exit_code, event.message) == (6, "the release is not signed")
    eve = fake_signature(RELEASE.manifest_json, "eve@example.org")
    assert client.ask("offer", RELEASE.manifest_json + eve, signature_bytes=len(eve)).exit_code == 6
    assert client.ask("install", digest=RELEASE.digest).exit_code == 3


def test_a_missing_file_is_refused_by_name(client: Client) -> None:
    client.offer()
    event = client.ask("install", digest=RELEASE.digest)
    assert event.exit_code == 8
    assert "plan.json" in event.details


def test_one_bad_chunk_is_told_once(client: Client) -> None:
    client.offer()
    sha256 = RELEASE.digest
    for _ in range(3):
        client.send("chunk", b"x" * 1000, sha256=sha256)
    assert "is in no release offered" in client.event().message
    assert client.ask("hello").data["protocol"] == 1
    client.send("chunk", b"not zlib", sha256=next(sha for sha, data in RELEASE.blobs.items() if data), encoding="zlib")
    assert "damaged" in client.event().message


def test_a_chunk_cannot_grow_past_its_blob(client: Client) -> None:
    client.offer()
    sha256, data = max(RELEASE.blobs.items(), key=lambda blob: len(blob[1]))
    bomb = zlib.compress(bytes(64 << 20))
    client.send("chunk", bomb, sha256=sha256, encoding="zlib")
    assert "does not fit" in client.event().message
    client.send("hello")
    assert client.event().kind == "done"
    client.send("chunk", data + b"x", sha256=sha256)
    assert "does not go on" in client.event().message


@pytest.mark.parametrize(
    "raw",
    [
        b"hello\n",
        b"[]\n",
        b'{"verb": "dance"}\n',
        b'{"verb": "hello", "payload_bytes": 5}\n',
        b'{"verb": "chunk", "payload_bytes": %d}\n' % (MAX_CHUNK_BYTES + 1),
        b'{"verb": "chunk", "payload_bytes": -1}\n',
        b"\xff\xfe\n",
    ],
)
def test_garbage_is_answered_once_and_the_connection_closed(client: Client, raw: bytes) -> None:
    client.socket.sendall(raw)
    event = client.event()
    assert (event.kind, event.exit_code) == ("error", 2)
    assert client.ended()


def test_a_line_without_end_is_not_read_for_ever(client: Client) -> None:
    with pytest.raises((BrokenPipeError, ConnectionResetError)):
        for _ in range(1000):
            client.socket.sendall(b"x" * (1 << 16))


def test_too_many_clients_are_told_so(client: Client, bench: Bench) -> None:
    others = [another(bench) for _ in range(MAX_CONNECTIONS - 1)]
    assert all(other.ask("hello").kind == "done" for other in others)
    kept = [another(bench) for _ in range(KEPT_CONNECTIONS)]
    assert all(other.ask("status").kind == "done" for other in kept), "what must not wait is served all the same"
    event = another(bench).event()
    assert (event.kind, event.exit_code) == ("error", 9)
    assert client.ask("status").kind == "done"


def test_a_kept_place_is_for_what_must_not_wait(client: Client, bench: Bench) -> None:
    """A release cannot be rolled back or stopped by waiting until sixteen others have gone."""
    for release in (RELEASE, make_release(plan=make_plan(version="2.0.0"))):
        client.push(release)
        client.ask("install", digest=release.digest)
        client.ask("activate", digest=release.digest)
    others = [another(bench) for _ in range(MAX_CONNECTIONS - 1)]
    assert all(other.ask("hello").kind == "done" for other in others)
    urgent = another(bench)
    assert urgent.ask("rollback").data["to"]["digest"] == RELEASE.digest
    assert urgent.ask("stop").kind == "done"
    event = urgent.ask("lock", application="sorter")
    assert (event.kind, event.exit_code, event.message) == ("error", 9, "too many clients are connected already")
    assert another(bench).ask("status").kind == "done", "the place of one that was refused is free again"


def test_a_client_that_goes_away_does_not_stop_the_activation(client: Client, bench: Bench) -> None:
    client.push()
    client.ask("install", digest=RELEASE.digest)
    client.send("activate", digest=RELEASE.digest)
    client.event()
    client.socket.close()
    client.file.close()
    later = wait_for_lock(bench)
    assert bench.status().phase == "running"
    assert later.ask("status").kind == "done"
    assert bench.current == RELEASE.digest


def test_a_rollback_swaps_the_releases(client: Client, bench: Bench) -> None:
    other = make_release(plan=make_plan(version="2.0.0"))
    for release in (RELEASE, other):
        client.push(release)
        client.ask("install", digest=release.digest)
        assert client.ask("activate", digest=release.digest).kind == "done"
    event = client.ask("rollback")
    assert (event.data["from"]["digest"], event.data["to"]["digest"]) == (other.digest, RELEASE.digest)  # type: ignore[index]
    assert bench.current == RELEASE.digest


def test_what_a_commit_leaves_behind_is_removed(client: Client, bench: Bench) -> None:
    releases = [make_release(plan=make_plan(version=f"{n}.0.0"), extra={"only": b"%d" % n}) for n in range(3)]
    for release in releases:
        client.push(release)
        client.ask("install", digest=release.digest)
        client.ask("activate", digest=release.digest)
    client.ask("hello")
    kept = {path.name for path in bench.layout.releases_dir.iterdir()}
    assert kept == {releases[1].digest, releases[2].digest}


def test_logs_follow(client: Client, bench: Bench) -> None:
    for number in range(5):
        bench.journal.write(f"line {number}")
    client.send("logs", lines=2, follow=True)
    assert [client.event().message for _ in range(2)] == ["line 3", "line 4"]
    bench.journal.write("line 5")
    assert client.event().message == "line 5"
    assert another(bench).ask("logs", lines=0).kind == "done"


def test_metrics_tell_of_the_running_release(client: Client, bench: Bench) -> None:
    client.push()
    client.ask("install", digest=RELEASE.digest)
    client.ask("activate", digest=RELEASE.digest)
    text = str(client.ask("metrics").data["text"])
    assert 'edgekit_healthy{application="sorter"} 1\n' in text
    assert f'edgekit_release_info{{application="sorter",version="1.0.0",digest="{RELEASE.digest}"}} 1\n' in text


COUNTER = make_release(plan=make_plan(application="counter"), extra={"engines/net.onnx": b"weights" * 5000})


def deploy(client: Client, release: FakeRelease) -> None:
    client.push(release)
    assert client.ask("install", digest=release.digest).kind == "done"
    assert client.ask("activate", digest=release.digest).kind == "done"


def test_two_people_deploy_two_applications_at_once(client: Client, bench: Bench) -> None:
    """Both send the same weights at the same time; what one clears out at its end leaves the other's alone."""
    other = another(bench)
    assert client.ask("lock", application="sorter", holder="ann").kind == "done"
    assert other.ask("lock", application="counter", holder="bob").kind == "done"
    assert client.ask("status").data["locks"] == {"sorter": "ann", "counter": "bob"}
    assert other.ask("lock", application="sorter", holder="bob").exit_code == 9
    other.push(COUNTER)
    deploy(client, RELEASE)
    client.ask("hello")
    assert other.ask("install", digest=COUNTER.digest).kind == "done", "its blobs were not cleared out"
    later = make_release(plan=make_plan(version="2.0.0"))
    deploy(client, later)
    client.ask("hello")
    assert other.ask("activate", digest=COUNTER.digest).kind == "done", "its release was not cleared out"
    assert bench.status("counter").healthy
    assert bench.status("sorter").current is not None


def test_an_offer_that_goes_away_leaves_nothing_behind(client: Client, bench: Bench) -> None:
    other = another(bench)
    other.push(COUNTER)
    other.ask("install", digest=COUNTER.digest)
    other.socket.close()
    other.file.close()
    for _ in range(200):
        if not bench.releases.claims._of:
            break
        time.sleep(0.01)
    deploy(client, RELEASE)
    client.ask("hello")
    assert [path.name for path in bench.layout.releases_dir.iterdir()] == [RELEASE.digest]


def test_a_release_that_failed_is_cleared_out_too(client: Client, bench: Bench) -> None:
    deploy(client, RELEASE)
    bad = make_release(plan=make_plan(version="2.0.0"))
    bench.starter.on_start = lambda child: child.end(1) if bad.digest in str(child.argv) else pulse(child)
    client.push(bad)
    client.ask("install", digest=bad.digest)
    assert client.ask("activate", digest=bad.digest).exit_code == 8
    client.ask("hello")
    assert [path.name for path in bench.layout.releases_dir.iterdir()] == [RELEASE.digest]


def test_the_lock_is_free_when_the_answer_comes(client: Client, bench: Bench) -> None:
    deploy(client, RELEASE)
    assert another(bench).ask("rollback", application="sorter").exit_code == 3, "nothing to go back to, and no lock"


def test_the_only_application_needs_no_name_and_of_several_one_must_be_named(client: Client, bench: Bench) -> None:
    assert client.ask("stop").message == "the device has no application"
    event = client.ask("stop", application="sorterr")
    assert (event.exit_code, event.hint) == (3, "edgekit deploy a release")
    assert client.ask("metrics").kind == "done"
    deploy(client, RELEASE)
    assert client.ask("stop").data == {"application": "sorter"}
    assert client.ask("start").data == {"application": "sorter"}
    deploy(client, COUNTER)
    for verb in ("rollback", "start", "stop", "remove"):
        event = client.ask(verb)
        assert (event.exit_code, event.message) == (3, "the device has several applications: counter, sorter")
        event = client.ask(verb, application="sorterr")
        assert (event.exit_code, event.hint) == (3, "it has: counter, sorter")
    assert 'edgekit_healthy{application="counter"} 1\n' in str(client.ask("metrics", application="sorter").data["text"])


def test_a_removed_application_leaves_nothing(client: Client, bench: Bench) -> None:
    deploy(client, RELEASE)
    deploy(client, COUNTER)
    assert client.ask("remove", application="counter").kind == "done"
    client.ask("hello")
    assert [path.name for path in bench.layout.applications_dir.iterdir()] == ["sorter"]
    assert [path.name for path in bench.layout.releases_dir.iterdir()] == [RELEASE.digest]
    blobs = {path.name.split(".")[0] for path in bench.layout.store_dir.rglob("*") if path.is_file()}
    assert blobs == set(RELEASE.blobs)


def test_logs_of_one_application_or_of_all(client: Client, bench: Bench) -> None:
    deploy(client, RELEASE)
    deploy(client, COUNTER)
    bench.journal.write("from the counter", "counter")
    bench.journal.write("from the sorter", "sorter")
    client.send("logs", lines=1, application="counter")
    assert client.event().message == "from the counter"
    assert client.event().kind == "done"
    client.send("logs", lines=2)
    lines = [client.event() for _ in range(2)]
    assert [line.data["application"] for line in lines] == ["counter", "sorter"]


def test_a_burst_of_lines_is_followed_whole(client: Client, bench: Bench) -> None:
    bench.journal.write("before")
    client.send("logs", lines=1, follow=True)
    assert client.event().message == "before"
    for number in range(150):
        bench.journal.write(f"line {number}")
    assert [client.event().message for _ in range(150)] == [f"line {number}" for number in range(150)]


def test_a_release_for_which_there_is_no_memory_is_refused_before_a_byte_moves(tmp_path: Path) -> None:
    bench = Bench(tmp_path, memory_bytes=100 << 20)
    requires = replace(RELEASE.manifest.requires, cgroup_controllers=("memory",), memory_bytes=64 << 20)
    text = to_message(replace(RELEASE.manifest, requires=requires))
    server = ControlServer(bench.services(), bench.layout.socket, group=None, log=lambda text: None)
    server.start()
    signature = fake_signature(text)
    event = Client(bench.layout.socket).ask("offer", text + signature, signature_bytes=len(signature))
    server.close()
    assert event.exit_code == 8
    assert "sorter 64.0 MiB = 64.0 MiB, there are 36.0 MiB" in event.message


def test_clips_of_the_sinks_that_the_committed_release_has(client: Client, bench: Bench) -> None:
    sinks: dict[str, RecipeSink] = {
        "clips": ClipSink(kind="clip", lane="all"),
        "lines": JsonlSink(kind="jsonl", path="lines", lane="all"),
    }
    for answer in (client.ask("clips"), client.ask("clip", sink="clips", file="a.mp4")):
        assert answer.exit_code == 3, "there is no application yet"
    made = make_release(plan=replace(make_plan(), sinks=sinks))
    client.push(made)
    assert client.ask("install", digest=made.digest).kind == "done"
    assert client.ask("activate", digest=made.digest).kind == "done"
    for sink in ("clips", "lines"):
        folder = bench.layout.work("sorter") / sink
        folder.mkdir(parents=True)
        (folder / "a.mp4").write_bytes(b"film")
    client.send("clips")
    listed = from_message_data(KeptClip, client.event().data, "clip")
    assert (listed.sink, listed.file, listed.bytes) == ("clips", "a.mp4", 4)
    assert client.event().data == {"application": "sorter"}, "nothing of a sink that keeps no clips"
    piece = from_message_data(ClipPiece, client.ask("clip", sink="clips", file="a.mp4").data, "piece")
    assert (base64.b64decode(piece.data), piece.sha256) == (b"film", sha256_bytes(b"film"))
    assert client.ask("clip", sink="lines", file="a.mp4").exit_code == 3
