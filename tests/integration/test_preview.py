"""A worker that shows its streams: its token is told to nobody, and whoever looks takes no frame from the pipeline."""

from __future__ import annotations

import http.client
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from edgekit.schema.plan import LanePlan, WorkerPlan
from edgekit.schema.settings import SettingPlace, TextSetting
from edgekit.schema.sink import PreviewSink
from edgekit.schema.source import SyntheticSource
from tests.fakes.eventually import eventually
from tests.fakes.plan_worker import PlanWorker
from tests.fakes.plans import small_plan
from tests.fakes.viewers import decoded, parts, viewer

pytestmark = pytest.mark.integration
TOKEN = "correct-horse-battery-9"
PREVIEW = PreviewSink(kind="preview", lane="viewers", viewers=20, fps=10.0)


def plan(sink: PreviewSink) -> WorkerPlan:
    source = SyntheticSource(kind="synthetic", lane="all", width_px=320, height_px=240, fps=20.0)
    drops = {"all": "block", "viewers": "drop_oldest"}
    return small_plan(
        sources={"gate": source, "yard": replace(source, seed=1)},
        sinks={"preview": sink},
        lanes={name: LanePlan(cpus=(), queue=2, drop=drop) for name, drop in drops.items()},
    )


@pytest.fixture
def listener(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "s"))
        listener.listen(16)
        yield listener


def test_the_token_is_told_to_nobody(tmp_path: Path, listener: socket.socket) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    shown = plan(replace(PREVIEW, port=port, token="secret"))
    secret = TextSetting(kind="text", about="What viewers show.", secret=True)
    shown = replace(
        shown,
        settings={"viewers": secret},
        places=(SettingPlace(setting="viewers", keys=("sinks", "preview", "token")),),
    )
    worker = PlanWorker(tmp_path, shown, {"viewers": TOKEN}, listener)
    try:
        worker.until(lambda streams: streams["gate"].frames > 0)
        with viewer(tmp_path / "s") as connection:  # by then the port is open too
            connection.request("GET", "/state")
            assert connection.getresponse().status == 200
        for token, status in ((TOKEN, 200), ("secret", 403), (TOKEN + "x", 403)):
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
            connection.request("GET", f"/picture/gate?token={token}")
            answer = connection.getresponse()
            assert answer.status == status
            assert status != 200 or decoded(answer.read()).shape == (240, 320, 3)
            connection.close()
        worker.until(lambda streams: streams["gate"].frames > 40)
        process = Path("/proc", str(worker.process.pid))
        said = b"".join([*worker.said, worker.log.read_bytes(), (process / "cmdline").read_bytes()])
        assert TOKEN.encode() not in said + (process / "environ").read_bytes()
        nice = {
            (task / "comm").read_text().strip(): os.getpriority(os.PRIO_PROCESS, int(task.name))
            for task in (process / "task").iterdir()
        }
        assert nice["preview"] == nice["preview/http"] > nice["viewers"]
    finally:
        worker.close()
    assert worker.process.returncode == 0


def test_twenty_who_look_and_some_who_do_not_read_take_no_frame(tmp_path: Path, listener: socket.socket) -> None:
    worker = PlanWorker(tmp_path, plan(PREVIEW), {}, listener)
    over = threading.Event()

    def look() -> None:
        while not over.wait(0.1):  # again, where there was no room
            with suppress(OSError, AssertionError, http.client.HTTPException), viewer(tmp_path / "s") as connection:
                connection.request("GET", "/live")
                for _ in parts(connection.getresponse()):
                    if over.is_set():
                        return

    watching = [threading.Thread(target=look) for _ in range(24)]
    idle = [socket.socket(socket.AF_UNIX) for _ in range(6)]
    try:
        worker.until(lambda streams: streams["gate"].frames > 0)
        before = memory_kib(worker)
        for thread in watching:
            thread.start()
        for one in idle:
            one.connect(str(tmp_path / "s"))
            one.sendall(b"GET /stream/gate HTTP/1.1\r\nhost: a\r\n\r\n")
        eventually(lambda: turned_away(tmp_path / "s"))
        frames = worker.until(lambda _: True)["gate"].frames
        streams = worker.until(lambda streams: streams["gate"].frames > frames + 100)
        drops = [drop for stream in streams.values() for drop in stream.drops if drop.count]
        assert [drop for drop in drops if drop.place != "viewers"] == []  # its own lane may drop: that costs nobody
        assert memory_kib(worker) - before < 60 << 10
    finally:
        worker.close()
        over.set()
        for one in idle:
            one.close()
        for thread in watching:
            thread.join()


def turned_away(path: Path) -> bool:
    """Whether as many look already as may."""
    with viewer(path) as connection:
        connection.request("GET", "/picture/gate")
        return connection.getresponse().status == 503


def memory_kib(worker: PlanWorker) -> int:
    status = Path("/proc", str(worker.process.pid), "status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0])
