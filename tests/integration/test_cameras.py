"""RTSP cameras from a real server, each failing in its own way: each comes back by itself, and no secret is told."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from edgekit.device.runtime.figures import LaneFigures
from edgekit.device.runtime.sources.live import CameraLost
from edgekit.device.runtime.sources.rtsp import connect
from edgekit.schema.plan import LanePlan
from edgekit.schema.report import StreamReport
from edgekit.schema.settings import SettingPlace, TextSetting
from edgekit.schema.sink import JsonlSink
from edgekit.schema.source import RtspSource
from tests.fakes.cameras import RtspServer, rtsp_server
from tests.fakes.doorway import doorway
from tests.fakes.plan_worker import PlanWorker
from tests.fakes.plans import small_plan
from tests.fakes.published import checked_lines
from tests.fakes.secret_search import spellings, tellers, texts_under, visible_texts

pytestmark = pytest.mark.integration
USER, PASSWORD, WRONG = "edge", "p@ss/w:rd-7Qz", "wr0ng-8Ky"


def camera(url: str, **more: object) -> RtspSource:
    given: dict[str, object] = {"user": USER, "password": "secret", "stall_s": 2.0, "frozen_s": 3.0, "connect_s": 4.0}
    return RtspSource(kind="rtsp", url=url, lane="all", backoff_s=1.0, **{**given, **more})  # type: ignore[arg-type]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RtspServer]:
    password = tmp_path / "password"
    password.write_text(PASSWORD)
    with rtsp_server("h264", "h264", "h265", "mjpeg", "h264", login=(USER, password)) as running:
        yield running


@pytest.fixture
def worker(tmp_path: Path, server: RtspServer) -> Iterator[PlanWorker]:
    with doorway(b"") as silent, doorway(b"SSH-2.0-OpenSSH_9.2\r\n") as garbage:
        sources = {
            "hangs": camera(server.url(0)),
            "freezes": camera(server.url(1), transport="udp"),
            "cut": camera(server.url(2)),
            "gone": camera(server.url(3), matrix=None),
            "well": camera(server.url(4), max_fps=5.0),
            "refused": camera(server.url(4)),
            "silent": camera(silent.url()),
            "garbage": camera(garbage.url()),
        }
        names = {name: "wrong" if name == "refused" else "login" for name in sources}
        plan = small_plan(
            sources=dict(sources),
            sinks={"lines": JsonlSink(kind="jsonl", path="lines.jsonl", lane="all")},
            lanes={"all": LanePlan(cpus=tuple(sorted(os.sched_getaffinity(0)))[:1], queue=2, drop="block")},
        )
        secret = TextSetting(kind="text", about="A camera's password.", secret=True)
        places = tuple(SettingPlace(setting=names[name], keys=("sources", name, "password")) for name in sources)
        plan = replace(plan, settings={"login": secret, "wrong": secret}, places=places)
        made = PlanWorker(tmp_path, plan, {"login": PASSWORD, "wrong": WRONG})
        try:
            yield made
        finally:
            made.close()


def states(streams: dict[str, StreamReport]) -> dict[str, str]:
    return {name: stream.state for name, stream in streams.items()}


def all_well(streams: dict[str, StreamReport]) -> bool:
    return all(streams[name].state == "live" and streams[name].fps > 1 for name in WELL)


WELL = ("hangs", "freezes", "cut", "gone", "well")
NONE_OF_OURS = ("refused", "silent", "garbage")


def test_each_camera_fails_alone_comes_back_alone_and_tells_no_secret(worker: PlanWorker, server: RtspServer) -> None:
    first = worker.until(lambda s: all_well(s) and all(s[name].state == "down" for name in NONE_OF_OURS))
    assert first["refused"].message == "it refuses this user and password (401)"
    assert {name: (first[name].codec, first[name].width_px, first[name].height_px) for name in WELL} == {
        **dict.fromkeys(WELL, ("h264", 320, 176)),
        "cut": ("hevc", 320, 176),
        "gone": ("mjpeg", 320, 176),
    }
    assert first["well"].colours == "BT.709 limited" and first["well"].wanted_fps == 5.0

    for command in ("freeze 0", "still 1", "cut 2", "gone 3"):
        server.do(command)
    lost = worker.until(
        lambda s: (
            (s["freezes"].state, s["gone"].state) == ("frozen", "down")
            and (s["hangs"].reconnects, s["hangs"].state) == (1, "live")
            and (s["cut"].reconnects, s["cut"].state) == (1, "live")
        )
    )
    assert lost["freezes"].message == "the same picture for 3 s"
    assert (lost["well"].state, lost["well"].reconnects) == ("live", 0)

    worker.until(lambda s: any(drop.cause == "frozen" and drop.count for drop in s["freezes"].drops))
    for command in ("move 1", "back 3"):
        server.do(command)
    last = worker.until(lambda s: all_well(s) and all(s[name].reconnects for name in WELL if name != "well"))
    assert (last["well"].reconnects, last["well"].state) == (0, "live"), "it has noticed nothing"
    causes = {name: {drop.cause for drop in stream.drops if drop.count} for name, stream in last.items()}
    assert "max_fps" in causes["well"] and "frozen" in causes["freezes"]
    assert last["well"].p99_ms < 10_000
    _check_threads(worker.process.pid)
    _check_secrets(worker)
    lines = checked_lines(worker.log.parent / "work/lines.jsonl")
    told = {(line["stream"], line["event"]) for line in lines}
    assert {("hangs", "stalled"), ("freezes", "frozen"), ("gone", "down"), ("cut", "restarted")} <= told


def _check_threads(pid: int) -> None:
    """One for each camera, pinned as its lane, the lane's own, the reporter and the first: no decoder has its own."""
    tasks = list(Path(f"/proc/{pid}/task").iterdir())
    names = sorted((task / "comm").read_text().strip() for task in tasks)
    ours = [name for name in names if name.startswith("all")]
    assert len(ours) == 9, names
    assert len(names) <= len(ours) + 4, names
    for task in tasks:
        if (task / "comm").read_text().startswith("all"):
            assert len(os.sched_getaffinity(int(task.name))) == 1


def _check_secrets(worker: PlanWorker) -> None:
    """In nothing that it says, and nowhere where another process of the board sees it."""
    texts = {
        "log": worker.log.read_bytes(),
        "reports": b"".join(worker.said),
        "plan": (worker.log.parent / "plan.json").read_bytes(),
        **visible_texts(worker.process.pid),
        **texts_under(worker.log.parent / "work"),
    }
    assert b"stream refused is down" in texts["log"], "or nothing would be looked at"
    assert tellers(texts, spellings(USER, PASSWORD) | spellings(USER, WRONG)) == []


def test_frames_carry_the_cameras_own_time(server: RtspServer) -> None:
    """RTCP tells it, some seconds after the first picture; here the camera's clock is this machine's."""
    connection = connect("gate", camera(server.url(0), password=PASSWORD, connect_s=60.0, stall_s=30.0))
    try:
        for shot in connection.shots(LaneFigures("l", time.monotonic)):
            if shot is not None and shot.camera_s is not None:
                late_s = (time.time() - shot.camera_s) - (time.monotonic() - shot.captured_s)
                assert abs(late_s) < 30, "both say when it was, but for what the encoder and a loaded machine took"
                break
    finally:
        connection.close()


def test_a_camera_that_hangs_is_lost_with_its_last_picture(server: RtspServer) -> None:
    """FFmpeg holds the last picture back until its limit is over; waiting for another one would double that."""
    connection = connect("gate", camera(server.url(0), password=PASSWORD, connect_s=60.0, stall_s=6.0))
    pictures, last_s = 0, 0.0
    try:
        with pytest.raises(CameraLost, match="nothing came for 6 s"):
            for shot in connection.shots(LaneFigures("l", time.monotonic)):
                pictures, last_s = pictures + (shot is not None), time.monotonic()
                if pictures == 5:
                    server.do("freeze 0")
        assert pictures > 5 and time.monotonic() - last_s < 5
    finally:
        connection.close()
