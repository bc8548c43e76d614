"""The demo of gate-watch: its cameras and its broker are real, and are gone when it ends, however it ends."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import av
import pytest

from edgekit.errors import EdgekitError, RolloutError
from edgekit.executor.local import LocalExecutor
from edgekit.host.demo.broker import demo_broker, listening
from edgekit.host.demo.cameras import clip_cameras
from edgekit.host.ports import listens
from edgekit.host.settings import Settings, settings_from
from edgekit.host.workflow.gate_watch import PLACES, GateWatch
from tests.fakes.eventually import eventually

pytestmark = pytest.mark.integration
ROOT = Path(__file__).parents[2]
RECIPE = ROOT / "recipes" / "gate-watch"
CLIP = RECIPE / "clips" / "north.mp4"
EDGEKIT = Path(sys.executable).with_name("edgekit")


def pictures(frames: Sequence[av.VideoFrame]) -> list[int]:
    return [zlib.crc32(bytes(frame.planes[0])) for frame in frames]


def test_a_camera_is_quiet_plays_its_clip_once_and_is_quiet_again() -> None:
    with av.open(str(CLIP)) as clip:
        whole = pictures(list(clip.decode(video=0)))
    with clip_cameras(LocalExecutor(), RECIPE / "serve.py", [str(CLIP)], fps=100.0) as cameras:
        port = cameras.port
        seen: list[int] = []
        with av.open(cameras.url(0), options={"rtsp_transport": "tcp"}, timeout=(20, 20)) as camera:
            for frame in camera.decode(video=0):
                seen += pictures([frame])
                if len(seen) == 35:
                    assert set(seen) <= set(whole[:10]) and cameras.played == set()
                    cameras.do("play 0")
                cameras.look()
                if cameras.played and seen.count(whole[-1]) == 2:
                    break
    assert cameras.played == {0}
    start = seen.index(whole[10])
    assert seen[start : start + 390] == whole[10:], "every picture of it, as it was drawn"
    assert set(seen[start + 390 :]) <= set(whole[-10:])
    assert not listens(port)


def test_a_server_that_cannot_show_a_clip_says_so(tmp_path: Path) -> None:
    (tmp_path / "no.mp4").write_bytes(b"no clip")
    with (
        pytest.raises(EdgekitError, match="the RTSP server has ended") as caught,
        clip_cameras(LocalExecutor(), RECIPE / "serve.py", [str(tmp_path / "no.mp4")]),
    ):
        pass
    assert "no H.264 clip" in caught.value.details


def test_a_broker_takes_one_user_and_no_command_line_holds_the_password(tmp_path: Path) -> None:
    executor, password = LocalExecutor(), "p4ss-of-the-demo"
    with demo_broker(executor, tmp_path, "gate", password) as broker, listening(executor, tmp_path, broker) as heard:
        argv = ["env", f"XDG_CONFIG_HOME={tmp_path}", "mosquitto_pub", "-p", str(broker.port)]
        (tmp_path / "mosquitto_pub").write_text(f"-u gate\n-P {password}\n")

        def told() -> bool:
            for topic, message in (("a/events", '{"id": "1"}'), ("a/counts", '{"counts": {"car": 2}}'), ("a/x", "{")):
                subprocess.run([*argv, "-t", topic, "-m", message], check=True)
            heard.look()
            return bool(heard.events) and "a/counts" in heard.last

        eventually(told)
        assert heard.events[0] == ("a/events", {"id": "1"}) and heard.last["a/counts"] == {"counts": {"car": 2}}
        stranger = ["mosquitto_pub", "-p", str(broker.port), "-t", "a", "-m", "b"]
        assert subprocess.run(stranger, capture_output=True, check=False).returncode
        lines = [file.read_bytes() for file in Path("/proc").glob("[0-9]*/cmdline") if os.access(file, os.R_OK)]
        assert any(str(broker.port).encode() in line for line in lines), "or nothing would be looked at"
        assert not any(password.encode() in line for line in lines)
        assert all(file.stat().st_mode & 0o077 == 0 for file in tmp_path.iterdir() if file.name.startswith("broker"))
    assert not listens(broker.port)


@pytest.fixture
def home() -> Iterator[dict[str, str]]:
    """Variables for a user of his own, whose path is short enough for a socket; what is cached is this user's."""
    with tempfile.TemporaryDirectory(prefix="ek") as folder:
        environ = {name: text for name, text in os.environ.items() if name not in ("EDGEKIT_HOME", "EDGEKIT_FLEET")}
        yield {**environ, "XDG_STATE_HOME": f"{folder}/s", "XDG_CONFIG_HOME": f"{folder}/c"}


@pytest.fixture
def demo(home: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> GateWatch:
    """One camera at twice its speed, on this machine."""
    monkeypatch.chdir(tmp_path)
    settings = settings_from(home, ROOT / "edgekit")

    def run(argv: Sequence[str], used: Settings) -> None:
        done = subprocess.run(
            [EDGEKIT, *argv],
            env={**home, "EDGEKIT_FLEET": str(used.fleet_file)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr

    place = replace(PLACES["host"], gates=("north",), fps=20.0)
    notes: list[str] = []
    return GateWatch(
        device="host", settings=settings, executor=LocalExecutor(), run=run, note=notes.append, places={"host": place}
    )


def test_it_counts_what_passes_and_leaves_nothing_behind(demo: GateWatch, home: dict[str, str]) -> None:
    ports: list[int] = []

    def run(argv: Sequence[str], used: Settings) -> None:
        if argv[0] == "deploy":
            ports.extend(
                int(word) for word in used.fleet_file.read_text().replace("/", ":").split(":") if word.isdigit()
            )
        demo.run(argv, used)

    try:
        done = replace(demo, run=run).play()
    finally:
        subprocess.run([EDGEKIT, "board", "down", "--name", "host"], env=home, check=False)
    assert (done.wrong, done.counts, done.cut, done.events) == (0, done.truth, "north", 16)
    assert done.event["kind"] == "crossed" and str(done.event["topic"]) == "edgekit/gate-watch/north/events"
    with av.open(str(done.picture)) as picture:
        assert next(picture.decode(video=0)).width == 640
    assert ports and not any(listens(port) for port in ports)


def test_a_failure_ends_what_was_started(demo: GateWatch) -> None:
    left: list[Path] = []

    def run(argv: Sequence[str], used: Settings) -> None:
        left.append(used.fleet_file)
        raise RolloutError("no", hint="x")

    with pytest.raises(RolloutError, match="no"):
        replace(demo, run=run).play()
    assert not left[0].parent.exists()


def test_ctrl_c_ends_what_was_started(home: dict[str, str], tmp_path: Path) -> None:
    environ = {**home, "TMPDIR": str(tmp_path)}
    argv = [EDGEKIT, "demo", "--recipe", "gate-watch", "--device", "host"]
    with subprocess.Popen(argv, env=environ, cwd=tmp_path, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        line = next(line for line in process.stderr if "mosquitto listens on" in line)
        ports = [int(port) for port in re.findall(r":(\d+)", line)]
        folders = list(tmp_path.glob("edgekit-demo-*"))
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
    assert process.returncode == 130
    assert len(folders) == 1 and not folders[0].exists()
    assert len(ports) == 2 and not any(listens(port) for port in ports)


def test_int8_for_the_npu_loses_no_detection_and_adds_none(home: dict[str, str], tmp_path: Path) -> None:
    """Converted by Rockchip's toolkit, run in its simulator, decoded by the recipe's own stages."""
    for argv in (
        ["keys", "init"],
        ["build", str(RECIPE), "--target", "rk3588-debian12", "--out", str(tmp_path / "out")],
    ):
        done = subprocess.run([EDGEKIT, *argv], env=home, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    (line,) = (line for line in done.stderr.splitlines() if line.startswith("detections on 36 pictures"))
    assert "0 lost, 0 added" in line
    assert "4 golden frames as expected" in done.stderr
    assert next((tmp_path / "out" / "files" / "engines").rglob("*.rknn"))
