"""The webhook sink against a real server that is away, slow, refuses and lies: nothing is lost within the bound."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.authority import make_authority
from tests.fakes.eventually import PATIENCE_S, eventually
from tests.fakes.published import check_published
from tests.fakes.publishing import SMALL_DISK, Publishing, skip_without_small_disks, stored
from tests.fakes.web_server import How, WebServer, web_server

pytestmark = pytest.mark.integration
TOKEN = "t0ken-8Ky-webhook"


class Poster(Publishing):
    """`tests/fakes/publisher.py` with a webhook sink, running."""

    def __init__(self, folder: Path, server: WebServer, *wrapper: str, **options: object) -> None:
        given = {"kind": "webhook", "url": server.url, "token": TOKEN, "backoff_s": 1, "timeout_s": 1, "lane": "all"}
        super().__init__(folder, {**given, **options}, *wrapper)

    def trouble(self) -> str:
        return str(self.do("look")["trouble"])

    def close(self) -> None:
        self.do("close")
        assert self.process.wait(PATIENCE_S) == 0
        assert TOKEN not in self.log.read_text()


@pytest.fixture
def server() -> Iterator[WebServer]:
    with web_server() as running:
        yield running


def test_each_event_is_a_request_with_its_token_and_a_key(tmp_path: Path, server: WebServer) -> None:
    poster = Poster(tmp_path / "work", server, sender="gate-7", counts=True, places=["door"])
    poster.do("events 3 5")
    poster.do("count person 2")
    eventually(lambda: len(server.bodies) == 3)
    check_published("webhook", *server.bodies)
    event, other, counts = server.bodies
    assert {key: event[key] for key in event.keys() - {"id", "at_s"}} == {
        "about": "event",
        "sender": "gate-7",
        "application": "line",
        "stream": "gate",
        "frame": 3,
        "kind": "crossed",
        "place": "door",
        "label": "person",
        "track": 3,
        "direction": "in",
        "seconds": 0.0,
    }
    assert len(event["id"]) == 32 and event["id"] != other["id"]
    assert (counts["about"], counts["counts"]) == ("counts", {"person": 2})
    keys = {request["idempotency-key"] for request in server.requests}
    assert len(keys) == 3
    (first, *_) = server.requests
    assert first["authorization"] == f"Bearer {TOKEN}" and first["content-type"] == "application/json"
    assert first["path"] == "/events?board=7"
    poster.until(sent=3, waiting=0, trouble="")
    poster.close()


def test_many_go_together_where_that_is_asked_for(tmp_path: Path, server: WebServer) -> None:
    server.how = 503
    poster = Poster(tmp_path / "work", server, batch=50, header="X-Api-Key")
    poster.do("events 0 200")
    poster.until(waiting=200)
    server.how = "well"
    eventually(lambda: server.tracks == [*range(200)])
    poster.until(waiting=0, sent=200)
    assert 4 <= len(server.bodies) <= 6 and len(server.bodies[-1]) == 50
    assert server.requests[-1]["x-api-key"] == TOKEN and "authorization" not in server.requests[-1]
    poster.close()


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        ("silent", "cannot be had: no answer in time"),
        ("drips", "cannot be had: no answer in time"),
        ("garbage", "cannot be had: its answer is not HTTP"),
        (500, "answers with 500"),
        (503, "answers with 503"),
        (429, "asks for fewer messages (429)"),
        (401, "refuses this token (401)"),
        (404, "has no such path (404)"),
        (302, "leads elsewhere (302), where nothing is sent: write that address"),
    ],
)
def test_what_can_be_mended_is_waited_for(how: How, reason: str, tmp_path: Path, server: WebServer) -> None:
    server.how = how
    elsewhere = "http://127.0.0.1:1/secret-place"
    server.headers_of_answer = f"Location: {elsewhere}\r\n" if how == 302 else ""
    poster = Poster(tmp_path / "work", server)
    poster.do("events 0 5")
    eventually(lambda: poster.trouble() == f"server 127.0.0.1 {reason}")
    eventually(lambda: len(server.requests) >= 2)
    server.how = "well"
    eventually(lambda: server.tracks == [0, 1, 2, 3, 4])
    poster.until(waiting=0, dropped=0, sent=5, trouble="")
    keys = [request["idempotency-key"] for request in server.requests]
    assert keys[0] == keys[1], "it is known by its key when it comes again"
    poster.close()
    assert elsewhere not in poster.log.read_text()


def test_a_server_that_asks_for_time_gets_it(tmp_path: Path, server: WebServer) -> None:
    server.how, server.headers_of_answer = 429, "Retry-After: 3600\r\n"
    poster = Poster(tmp_path / "work", server)
    poster.do("events 0 1")
    eventually(lambda: "429" in poster.trouble())
    server.how = "well"
    for _ in range(5):
        poster.do("events 1 2")
    assert len(server.requests) == 1
    poster.close()


def test_what_a_server_will_never_take_is_dropped_and_counted_alone(tmp_path: Path, server: WebServer) -> None:
    server.refuses = {7, 150}
    server.how = 503
    poster = Poster(tmp_path / "work", server, batch=50)
    poster.do("events 0 200")
    poster.until(waiting=200)
    server.how = "well"
    eventually(lambda: len(server.tracks) == 198)
    assert server.tracks == [track for track in range(200) if track not in server.refuses]
    poster.until(waiting=0, dropped=2, sent=198)
    poster.close()
    alone = Poster(tmp_path / "other", server)
    alone.do("events 7 8")
    alone.until(dropped=1, trouble="server 127.0.0.1 does not take what it is sent (400)")
    alone.do("events 8 9")
    alone.until(sent=1, trouble="")
    alone.close()


def test_while_the_server_is_away_events_wait_over_a_kill(tmp_path: Path, server: WebServer) -> None:
    poster = Poster(tmp_path / "work", server)
    poster.do("events 0 3")
    eventually(lambda: server.tracks == [0, 1, 2])
    poster.until(waiting=0, trouble="")
    server.stop()
    poster.do("events 3 500")
    poster.until(waiting=497, trouble="server 127.0.0.1 cannot be had: Connection refused")
    eventually(lambda: stored(tmp_path / "work/webhook.outbox") == 497)
    poster.kill()
    again = Poster(tmp_path / "work", server, batch=100)
    again.do("events 500 510")
    again.until(waiting=507)
    server.start()
    eventually(lambda: server.tracks == [*range(510)])
    again.until(waiting=0, trouble="")
    again.close()


def test_what_waits_from_before_is_sent_without_a_new_event(tmp_path: Path, server: WebServer) -> None:
    server.how = 503
    poster = Poster(tmp_path / "work", server)
    poster.do("events 0 3")
    eventually(lambda: stored(tmp_path / "work/webhook.outbox") == 3)
    poster.kill()
    server.how = "well"
    again = Poster(tmp_path / "work", server)
    eventually(lambda: server.tracks == [0, 1, 2])
    again.close()


def test_past_the_bound_the_oldest_go_and_are_counted(tmp_path: Path, server: WebServer) -> None:
    server.how = "silent"
    poster = Poster(tmp_path / "work", server, buffer="100K", timeout_s=120)
    for end in range(100, 2001, 100):
        poster.do(f"events {end - 100} {end}")
        eventually(lambda: sum(poster.do("look")[key] for key in ("waiting", "dropped")) == end)  # noqa: B023
    eventually(lambda: poster.do("look")["waiting_bytes"] <= 100 << 10)
    figures = poster.do("look")
    assert figures["dropped"] > 1000 and sum(file.stat().st_size for file in (tmp_path / "work").iterdir()) < 1 << 20
    assert "the oldest events are dropped" in poster.trouble()
    poster.close()  # with a request under way that is never answered


def test_on_a_full_disk_events_wait_in_memory(tmp_path: Path, server: WebServer) -> None:
    skip_without_small_disks(tmp_path)
    work = tmp_path / "work"
    poster = Poster(work, server, *SMALL_DISK, str(work), batch=100)
    poster.do("events 0 10")
    poster.until(sent=10, waiting=0, trouble="")
    poster.do("fill")
    server.how = 503
    poster.do("events 10 500")
    eventually(lambda: "cannot be kept on disk" in poster.trouble())
    poster.until(waiting=490, dropped=0)
    server.how = "well"
    eventually(lambda: server.tracks == [*range(500)])
    poster.do("free")
    poster.do("events 500 501")
    poster.until(waiting=0, dropped=0, trouble="")
    poster.close()


def test_tls_takes_the_server_whose_certificate_the_authority_signed_and_no_other(tmp_path: Path) -> None:
    work = tmp_path / "work"
    work.mkdir()
    make_authority(tmp_path)
    shutil.copy(tmp_path / "ca.pem", work)
    with web_server(tmp_path) as server:
        stranger = Poster(work, server)
        stranger.do("events 0 5")
        eventually(lambda: "nobody whom the board trusts has signed its certificate" in stranger.trouble())
        assert server.requests == []
        stranger.close()
        trusting = Poster(work, server, ca_file="ca.pem")
        eventually(lambda: server.tracks == [*range(5)])
        trusting.close()
