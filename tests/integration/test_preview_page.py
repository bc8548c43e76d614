"""The preview's page in a real browser: it shows every stream, and loads nothing from elsewhere."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from edgekit.imaging.image import RgbImage
from edgekit.schema.detection import Detection
from edgekit.stage import SceneEvent
from tests.fakes.chromium import PROGRAM, running_chromium
from tests.fakes.ports import free_port
from tests.fakes.viewers import PreviewBench, preview_bench

pytestmark = [pytest.mark.integration, pytest.mark.skipif(PROGRAM is None, reason="no Chromium on this machine")]

TOKEN = "correct-horse-battery"
NAMES = tuple(f"camera-{number}" for number in range(8))
"""More than a browser has connections for."""
LIT = """[...document.querySelectorAll('canvas')].map((canvas) => {
  const seen = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
  return seen.some((value, place) => place % 4 !== 3 && value > 60);
})"""


def feed(bench: PreviewBench, over: threading.Event) -> None:
    evil = "<img src=x onerror=alert(1)>"
    for number in range(1_000_000):
        for place, name in enumerate(NAMES[:-1]):
            pixels = np.full((360, 640, 3), 40 + 20 * place, np.uint8)
            box = Detection(label="person", x_px=50 + number * 7 % 500, y_px=180, width_px=60, height_px=120, score=0.9)
            event = SceneEvent(kind="crossed", place="door", label=evil, track=number, direction="in")
            events = (event,) if place == 0 and number % 20 == 0 else ()
            image = RgbImage(pixels=pixels, order="BGR")
            bench.feed(name, image=image, detections=(box,), counts={evil: number}, events=events)
        if over.wait(0.1):
            return


def test_all_streams_are_seen_and_nothing_else_is_loaded(tmp_path: Path) -> None:
    port = free_port()
    (tmp_path / "browser").mkdir()
    over = threading.Event()
    with (
        preview_bench(tmp_path / "preview", *NAMES, port=port, token=TOKEN) as bench,
        running_chromium(tmp_path / "browser") as browser,
    ):
        bench.pipeline.streams[NAMES[-1]].turn("down", "no route to <b>camera</b>")
        feeding = threading.Thread(target=feed, args=(bench, over))
        feeding.start()
        try:
            assert bench.get("/state")[0] == 200  # by then the port is open too
            browser.go(f"http://127.0.0.1:{port}/?token={TOKEN}")
            browser.until(f"document.querySelectorAll('canvas').length === {len(NAMES)} && {LIT}.every(Boolean)")
            browser.until("document.querySelectorAll('#events li').length > 0")
            shown = browser.value("document.body.innerText")
            assert "down for" in shown and "no route to <b>camera</b>" in shown and "onerror" in shown
            assert not browser.value("document.querySelectorAll('img, b b').length"), "text came in as markup"
            before = browser.value(f"{LIT}.length && document.querySelector('canvas').toDataURL()")
            browser.until(f"document.querySelector('canvas').toDataURL() !== '{before}'")
            if keep := os.environ.get("EDGEKIT_SCREENSHOT"):
                time.sleep(1)
                Path(keep).write_bytes(browser.screenshot(1400, 1000))
            assert browser.value(
                "performance.getEntriesByType('resource').map((one) => new URL(one.name).pathname)"
            ) in (
                ["/live"],
                [],  # an answer without an end is no entry yet
            )
            bench.sink._server.close(5)
            browser.until("document.getElementById('link').textContent.startsWith('not connected')")
            assert not [line for line in browser.said if "Content Security Policy" in line or "exception" in line]
        finally:
            over.set()
            feeding.join()


def test_without_the_token_the_page_is_not_there(tmp_path: Path) -> None:
    port = free_port()
    (tmp_path / "browser").mkdir()
    with (
        preview_bench(tmp_path / "p", port=port, token=TOKEN) as bench,
        running_chromium(tmp_path / "browser") as browser,
    ):
        assert bench.get("/state")[0] == 200
        browser.go(f"http://127.0.0.1:{port}/?token=wrong")
        browser.until("document.body.innerText.includes('a token is missing')")
