"""`edgekit view` over a real sshd, a real keeper and a real worker: pictures for who has the token, and nobody else."""

from __future__ import annotations

import http.client
import json
import os
import stat
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from edgekit.executor.local import LocalExecutor
from edgekit.schema.manifest import SIGNATURE_NAMESPACE
from edgekit.schema.sink import ClipSink, JsonlSink, PreviewSink, RecipeSink
from edgekit.trust import sign
from tests.fakes.eventually import PATIENCE_S, eventually
from tests.fakes.real_worker import drawn_plan, real_release
from tests.fakes.releases import write_release
from tests.fakes.sshd import PROGRAM
from tests.fakes.viewers import decoded, parts, state_of
from tests.integration.test_deploy import Site, running_site

pytestmark = [pytest.mark.integration, pytest.mark.skipif(PROGRAM is None, reason="no sshd on this machine")]

PREVIEW = PreviewSink(kind="preview", lane="viewers", fps=10.0)
CLIPS = ClipSink(kind="clip", lane="viewers")
"""It has nothing to write: packets of drawn scenes are not to be had."""
JSONL = JsonlSink(kind="jsonl", path="counts.jsonl", lane="viewers")


def deploy(site: Site, name: str, sink: RecipeSink, *streams: str) -> None:
    plan = drawn_plan({"shown": sink, "clips": CLIPS}, *streams, version=f"1.0.{len(name)}")
    made = real_release(plan, lambda text: sign(LocalExecutor(), text, key=site.key, namespace=SIGNATURE_NAMESPACE))
    done = site.edgekit("deploy", str(write_release(made, site.folder / name)), "board")
    assert done.code == 0, done.err


@pytest.fixture(scope="module")
def board() -> Iterator[Site]:
    """A board, also as a device of this machine's own, that shows two cameras."""
    with running_site() as site:
        with (site.folder / "fleet.toml").open("a") as fleet:
            fleet.write(f'[devices.here]\naddress = "local"\nprefix = "{site.prefix}"\nservice = "process"\n')
        assert site.edgekit("provision", "board").code == 0
        deploy(site, "shown", PREVIEW, "gate", "yard")
        yield site


@contextmanager
def viewing(site: Site, *argv: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The command, and the address that it shows."""
    process = site.start("view", *argv)
    assert process.stdout is not None
    try:
        yield process, process.stdout.readline().strip()
    finally:
        process.kill()
        process.communicate(timeout=PATIENCE_S)


def get(url: str, **headers: str) -> http.client.HTTPResponse:
    address = urlsplit(url)
    connection = http.client.HTTPConnection(str(address.hostname), address.port, timeout=30)
    connection.request("GET", f"{address.path}?{address.query}", headers=headers)
    return connection.getresponse()


def below(url: str, path: str) -> str:
    return urlsplit(url)._replace(path=path).geturl()


@pytest.mark.parametrize("device", ["board", "here"])
def test_a_picture_is_saved_with_what_is_found_in_it(board: Site, device: str) -> None:
    file = board.folder / f"{device}.jpg"
    done = board.edgekit("view", device, "--save", str(file), "--stream", "gate", "--json")
    assert done.code == 0, done.err
    said = done.json
    assert (said["stream"], said["application"], said["state"]) == ("gate", "sorter", "live")
    assert (said["width_px"], said["height_px"]) == (640, 360) and said["bytes"] == file.stat().st_size
    pixels = decoded(file.read_bytes()).astype(int)
    assert (pixels.max(axis=2) - pixels.min(axis=2)).max() > 80, "the camera is grey: colours are what is drawn"
    assert not list(board.folder.glob(".*part"))


def test_clips_are_listed_and_fetched(board: Site) -> None:
    folder = board.prefix / "var/lib/edgekit/apps/sorter/work/clips"
    folder.mkdir(exist_ok=True)
    film = os.urandom(3 << 20)
    (folder / "20261126T101951-123Z_gate_crossed_door.mp4").write_bytes(film)
    listed = board.edgekit("clips", "list", "board", "--json")
    assert [clip["bytes"] for clip in listed.json["clips"]] == [len(film)], listed.err
    assert "20261126T101951-123Z_gate_crossed_door.mp4" in board.edgekit("clips", "list", "board").out
    done = board.edgekit("clips", "get", "board", "sorter", "--to", str(board.folder / "here"))
    assert done.code == 0 and "1 clip fetched (3.0 MiB)" in done.out, done.err
    assert (board.folder / "here/clips/20261126T101951-123Z_gate_crossed_door.mp4").read_bytes() == film


def test_the_page_its_pictures_and_the_token(board: Site) -> None:
    with viewing(board, "board") as (process, url):
        token = parse_qs(urlsplit(url).query)["token"][0]
        assert url.startswith("http://127.0.0.1:") and len(token) >= 32
        page = get(url)
        assert page.status == 200 and b"Last events" in page.read()
        answer = get(below(url, "/live"))
        feed, seen = parts(answer), dict[str, bytes]()
        while seen.keys() < {"", "gate", "yard"}:
            name, data = next(feed)
            seen[name] = data
        assert decoded(seen["gate"]).shape == (360, 640, 3)
        assert {one["name"]: one["state"] for one in state_of(seen[""])["streams"]} == {"gate": "live", "yard": "live"}
        eventually(lambda: state_of(next(part for name, part in feed if not name))["events"])
        assert get(below(url, "/stream/gate")).status == 200 and get(below(url, "/nothing")).status == 404
        for wrong in (url.replace(token, "x" * len(token)), url.partition("?")[0], f"{url}&token=x{token}"[:-1]):
            status = get(wrong).status
            assert status == (200 if wrong.startswith(f"{url}&") else 403), wrong
        assert not shown_in_argv(token), "anybody on this machine reads the arguments of programs"
        logs = (board.folder / "home").rglob("logs/*")
        assert not [file for file in logs if token in file.read_text(errors="replace")]
        process.send_signal(2)
        assert process.wait(PATIENCE_S) == 0


def shown_in_argv(word: str) -> list[str]:
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            text = file.read_bytes()
        except OSError:
            continue
        if word.encode() in text:
            found.append(text.decode(errors="replace"))
    return found


def test_only_root_and_the_group_reach_the_socket(board: Site) -> None:
    path = board.prefix / "run/edgekit/preview/sorter.sock"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600 and stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_a_board_that_goes_away_and_comes_back(board: Site) -> None:
    with viewing(board, "board", "--json") as (_, line):
        url = json.loads(line)["url"]
        feed = parts(get(below(url, "/live")))
        next(feed)
        board.sshd.stop()
        with suppress(OSError, AssertionError, http.client.HTTPException):  # wherever it is cut off
            for _ in feed:
                pass
        gone = get(below(url, "/live"))
        assert gone.status == 502 and b"127.0.0.1" in gone.read()
        board.sshd.start()
        eventually(lambda: get(below(url, "/live")).status == 200)


def test_what_cannot_be_shown_says_why_and_how_to_mend_it(board: Site) -> None:
    several = board.edgekit("view", "board", "--save", "x.jpg")
    assert several.code == 3 and "gate, yard" in several.err and "--stream NAME" in several.err
    unknown = board.edgekit("view", "board", "--save", "x.jpg", "--stream", "north")
    assert unknown.code == 3 and "no stream 'north'" in unknown.err and "gate, yard" in unknown.err
    nobody = board.edgekit("view", "board", "sorting")
    assert nobody.code == 3 and "it has: sorter" in nobody.err
    other = board.edgekit("view", "board", "--save", "x.png")
    assert other.code == 2 and "hint: --save x.jpg" in other.err
    alone = board.edgekit("view", "board", "--stream", "gate")
    assert alone.code == 2 and "--save" in alone.err
    with viewing(board, "board") as (_, url):
        taken = board.edgekit("view", "board", "--port", str(urlsplit(url).port))
        assert taken.code == 2 and "leave --port out" in taken.err
    assert not list(board.folder.glob("x.*"))


def test_a_worker_that_does_not_run_and_one_that_shows_nothing(board: Site) -> None:
    assert board.edgekit("stop", "board", "sorter").code == 0
    stopped = board.edgekit("view", "board")
    assert stopped.code == 7 and "no worker of sorter runs on board: it is stopped" in stopped.err
    assert "hint: edgekit start board sorter" in stopped.err
    assert board.edgekit("start", "board", "sorter").code == 0
    deploy(board, "without", JSONL, "gate")
    nothing = board.edgekit("view", "board")
    assert nothing.code == 2 and "its recipe has no preview" in nothing.err
    lines = [line.strip() for line in nothing.err.splitlines()]
    assert "[pipeline.sinks.preview]" in lines and 'kind = "preview"' in lines and "[pipeline.lanes.viewers]" in lines
    deploy(board, "shown-again", PREVIEW, "gate")
    file = board.folder / "one.jpg"
    done = board.edgekit("view", "board", "--save", str(file))  # the only stream needs no name
    assert done.code == 0 and "gate of sorter on board, 640x360" in done.out, done.err


def test_nobody_looks_and_nothing_is_made(board: Site) -> None:
    def cpu_s() -> float:
        worker = board.status()["worker"]["pid"]
        ticks = {}
        for task in Path(f"/proc/{worker}/task").iterdir():
            if (task / "comm").read_text().strip() in ("shown", "shown/http"):
                fields = (task / "stat").read_text().rpartition(")")[2].split()
                ticks[task.name] = int(fields[11]) + int(fields[12])
        assert len(ticks) == 2
        return sum(ticks.values()) / os.sysconf("SC_CLK_TCK")

    before = cpu_s()
    time.sleep(2)
    assert cpu_s() - before < 0.05
