"""The preview over real HTTP: who looks gets the newest picture, and nothing is made for nobody."""

from __future__ import annotations

import http.client
import json
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgekit.stage import SceneEvent
from tests.fakes.eventually import PATIENCE_S, eventually
from tests.fakes.ports import free_port
from tests.fakes.viewers import PreviewBench, decoded, grey_of, parts, plain_image, preview_bench, state_of, viewer

TOKEN = "correct-horse-battery"


class Feeding:
    """Frames come until the block ends, one each 20 ms."""

    def __init__(self, bench: PreviewBench, *streams: str, **more: Any) -> None:
        self._bench, self._streams, self._more = bench, streams or ("gate",), more
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        while not self._over.wait(0.02):
            for stream in self._streams:
                self._bench.feed(stream, **self._more)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()


def test_nothing_is_scaled_or_encoded_while_nobody_looks(tmp_path: Path) -> None:
    with preview_bench(tmp_path) as bench:
        for _ in range(50):
            bench.feed()
        assert bench.get("/state")[0] == 200 and bench.get("/")[0] == 200
        assert bench.encoded == 0
        assert bench.sink._views["gate"].take() is None
        with Feeding(bench):
            assert bench.get("/picture/gate")[0] == 200
            eventually(lambda: not bench.sink._newest.is_watched("gate"))
            before = bench.encoded
            time.sleep(0.3)
        assert 1 <= bench.encoded <= before + 1, "one may have been on its way"
        assert bench.sink._newest.of("gate") is None and bench.sink._views["gate"].take() is None


def test_a_single_picture_is_of_a_frame_that_came_after_the_question(tmp_path: Path) -> None:
    with preview_bench(tmp_path) as bench:
        bench.feed()
        answers: list[tuple[int, bytes]] = []
        asking = threading.Thread(target=lambda: answers.append(bench.get("/picture/gate")))
        asking.start()
        eventually(lambda: bench.sink._newest.is_watched("gate"))
        bench.feed()
        asking.join()
        assert answers[0][0] == 200 and decoded(answers[0][1]).shape == (360, 640, 3)
        assert bench.encoded == 1


def test_only_the_watched_stream_costs_anything(tmp_path: Path) -> None:
    with preview_bench(tmp_path, "gate", "yard") as bench, Feeding(bench, "gate", "yard"):
        assert bench.get("/picture/yard")[0] == 200
        assert bench.sink._views["gate"].take() is None
        assert bench.sink._newest.of("gate") is None


def test_a_picture_is_encoded_once_for_all_viewers(tmp_path: Path) -> None:
    with preview_bench(tmp_path) as bench, ExitStack() as stack:
        feeds = []
        for _ in range(6):
            connection = stack.enter_context(viewer(bench.path))
            connection.request("GET", "/stream/gate")
            feeds.append(parts(connection.getresponse()))
        eventually(lambda: bench.sink._newest._watchers["gate"] == 6)
        before = bench.encoded
        for _ in range(5):
            bench.feed()
            pictures = [next(feed)[1] for feed in feeds]
            assert len(set(pictures)) == 1
            time.sleep(0.05)
        assert bench.encoded - before == 5


def test_a_slow_viewer_gets_the_newest_picture_and_holds_up_nobody(tmp_path: Path) -> None:
    with preview_bench(tmp_path) as bench, viewer(bench.path) as slow, viewer(bench.path) as quick:
        for connection in (slow, quick):
            connection.request("GET", "/stream/gate")
        quick_feed = parts(quick.getresponse())
        slow_answer = slow.getresponse()
        eventually(lambda: bench.sink._newest._watchers["gate"] == 2)
        rng_image = noisy()
        seen = 0
        for _ in range(60):  # far more than buffers hold
            bench.feed(image=rng_image)  # waiting for the slow one, it would come back once that is hung up on
            seen += bool(next(quick_feed)[1])
            time.sleep(0.04)
        assert seen == 60
        eventually(lambda: bench.feed(image=plain_image(235)) and grey_of(next(quick_feed)[1]) > 225)
        slow_feed = parts(slow_answer)
        came = 0
        while grey_of(next(slow_feed)[1]) < 225:
            came += 1
            assert came < 40, "it is shown everything that it missed"
        assert came < 30


def noisy() -> Any:
    image = plain_image(60)
    image.y[:, :600] = np.random.default_rng(1).integers(0, 255, (360, 600), np.uint8)
    return image


def test_the_page_gets_all_streams_and_the_state_in_one_answer(tmp_path: Path) -> None:
    event = SceneEvent(kind="crossed", place="door", label="person", track=7, direction="in")
    with preview_bench(tmp_path, "gate", "yard") as bench, viewer(bench.path) as connection:
        bench.feed("gate", events=(event,), counts={"door person in": 1})
        connection.request("GET", "/live")
        feed = parts(connection.getresponse())
        first, data = next(feed)
        assert first == ""
        found = state_of(data)
        assert [one["name"] for one in found["streams"]] == ["gate", "yard"]
        gate = found["streams"][0]
        assert gate["state"] == "live" and gate["counts"] == {"door person in": 1} and gate["frames"] == 1
        assert found["events"][0]["place"] == "door" and found["events"][0]["track"] == 7
        with Feeding(bench, "gate", "yard"):
            names: set[str] = set()
            while names != {"gate", "yard"}:
                name, data = next(feed)
                if name:
                    assert decoded(data).shape == (360, 640, 3)
                    names.add(name)


def test_a_camera_that_gives_nothing_is_shown_with_its_state(tmp_path: Path) -> None:
    with preview_bench(tmp_path) as bench:
        bench.pipeline.streams["gate"].turn("down", "no route to the camera")
        status, card = bench.get("/picture/gate")
        assert status == 200 and decoded(card).shape == (360, 640, 3)
        with viewer(bench.path) as connection:
            connection.request("GET", "/stream/gate")
            feed = parts(connection.getresponse())
            assert grey_of(next(feed)[1]) < 60
            bench.pipeline.streams["gate"].turn("live")
            with Feeding(bench):
                eventually(lambda: 110 < grey_of(next(feed)[1]) < 140)
            bench.pipeline.streams["gate"].turn("stalled", "no picture for 5 s")
            eventually(lambda: grey_of(next(feed)[1]) < 70)  # the last one, dimmed
            again = next(feed)[1]  # and each second how long
            assert again


def test_what_is_not_there_is_said(tmp_path: Path) -> None:
    with preview_bench(tmp_path) as bench:
        for path in ("/nothing", "/picture/nobody", "/stream/", "/picture/../state", "//", "/live/x"):
            assert bench.get(path)[0] == 404, path
        for method in ("POST", "PUT", "DELETE", "OPTIONS", "HEAD"):
            assert bench.get("/state", method)[0] == 405


def test_one_viewer_too_many_is_turned_away_and_comes_in_later(tmp_path: Path) -> None:
    with preview_bench(tmp_path, viewers=2) as bench, Feeding(bench):
        with viewer(bench.path) as one, viewer(bench.path) as two:
            looking = []
            for connection in (one, two):
                connection.request("GET", "/stream/gate")
                looking.append(parts(connection.getresponse()))
                next(looking[-1])
            assert bench.get("/picture/gate") == (503, b"2 look already\n")
            assert bench.get("/state")[0] == 200
            del looking
        eventually(lambda: bench.get("/picture/gate")[0] == 200)


def test_the_page_loads_nothing_from_elsewhere(tmp_path: Path) -> None:
    with preview_bench(tmp_path) as bench, viewer(bench.path) as connection:
        connection.request("GET", "/")
        answer = connection.getresponse()
        page = answer.read().decode()
        policy = answer.getheader("content-security-policy") or ""
        assert "default-src 'none'" in policy and "unsafe" not in policy
        assert answer.getheader("referrer-policy") == "no-referrer"
        assert "http:" not in page and "https:" not in page and "//" not in page.replace("://", "")


def test_by_tcp_only_the_token_opens(tmp_path: Path) -> None:
    port = free_port()
    with preview_bench(tmp_path, port=port, token=TOKEN) as bench, Feeding(bench):
        assert bench.get("/state")[0] == 200
        assert bench.figures.trouble == ""
        for path in ("/", "/state", "/live", "/picture/gate", "/nothing", "/state?token=", "/state?token=wrong",
                     "/state?token=wrong&token=" + TOKEN, "/state?" + "a=1&" * 20 + "token=" + TOKEN):  # fmt: skip
            assert tcp(port, path)[0] == 403, path
        for path in ("/", "/state", "/picture/gate"):
            assert tcp(port, f"{path}?token={TOKEN}")[0] == 200
        assert tcp(port, "/state", authorization=f"Bearer {TOKEN}")[0] == 200
        assert json.loads(bench.get("/state")[1])["application"] == "line"  # the Unix socket's mode is its lock


def tcp(port: int, path: str, **headers: str) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
    connection.request("GET", path, headers=headers)
    answer = connection.getresponse()
    try:
        return answer.status, answer.read()
    finally:
        connection.close()


@pytest.mark.parametrize(
    ("options", "trouble"),
    [
        ({"port": 8080, "token": "short"}, "the token has fewer than 16 characters"),
        ({"port": 8080, "token": TOKEN, "address": "192.0.2.7"}, "port 8080 at 192.0.2.7 cannot be opened"),
        ({"port": 8080, "token": TOKEN, "address": "no-such-host.invalid"}, "cannot be opened"),
    ],
)
def test_a_port_that_cannot_be_opened_costs_the_socket_nothing(
    tmp_path: Path, options: dict[str, Any], trouble: str
) -> None:
    with preview_bench(tmp_path, **options) as bench:
        eventually(lambda: trouble in bench.figures.trouble)
        assert bench.get("/state")[0] == 200


def test_nobody_is_shown_anything_while_memory_is_tight_and_everybody_again_afterwards(tmp_path: Path) -> None:
    with preview_bench(tmp_path) as bench, Feeding(bench), viewer(bench.path) as connection:
        connection.request("GET", "/stream/gate")
        shown = parts(connection.getresponse())
        next(shown)
        bench.sink.do_without(tight=True)
        eventually(lambda: bench.sink._views["gate"].take() is None)
        assert bench.sink._newest.of("gate") is None
        before = bench.encoded
        time.sleep(0.3)
        assert bench.encoded <= before + 1, "one may have been on its way"
        bench.sink.do_without(tight=False)
        eventually(lambda: bench.encoded > before + 1)
        next(shown)
