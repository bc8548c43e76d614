"""What `edgekit plan` foretells of gate-watch on a real arm64 kernel, against a worker there.

Cameras are RTSP servers on this machine, in slow motion: an emulated board finds things in about one picture a second.
Memory is what the kernel charges. Of times only what is foretold is printed beside what came: they hang on whatever
else runs on this machine.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import pytest

from edgekit.executor.local import LocalExecutor
from edgekit.host.demo.broker import demo_broker
from edgekit.host.demo.cameras import clip_cameras
from edgekit.host.settings import settings_from
from edgekit.host.workflow.devices import device_access
from tests.board.conftest import ROOT, eventually
from tests.board.gates.conftest import NAME, GateBoard

pytestmark = [pytest.mark.board, pytest.mark.long, pytest.mark.timeout(2700)]

RECIPE = ROOT / "recipes/gate-watch"
GATES = ("north", "south", "east", "west")
FPS, SECONDS, LOOK_S = 0.25, 120, 4.0
"""A report has the latencies of its last five seconds. Faster cameras would be more than four times what the board can
see: then queues are full, and what came is how fast this machine was."""
PROFILE_S = 120
MIB = 1 << 20
ERROR_PERCENT = 10
LEAF = "/sys/fs/cgroup/edgekit.slice/edgekitd.service/app-gate-watch/memory.stat"
SAMPLE = f"""python3 -Sc '
import time
most, until = (0, 0), time.monotonic() + {SECONDS}
while time.monotonic() < until:
    stat = dict(line.split() for line in open("{LEAF}"))
    own = sum(int(stat[name]) for name in ("anon", "shmem", "kernel"))
    most = max(most, (own, int(stat["file"]) - int(stat["shmem"])))
    time.sleep(0.1)
print(*most)'"""
"""Source: Linux, Documentation/admin-guide/cgroup-v2.rst, memory.stat."""


@dataclass(frozen=True)
class Seen:
    """A worker, for a while."""

    own: int
    """Bytes that it took of its own, at most."""
    files: int
    """Those of files then."""
    fps: float
    """Of each camera, by the worker's clock."""
    p99_ms: float
    """The longest that any report had."""


@dataclass(frozen=True)
class Site:
    """The board with gate-watch on it, and the profile that was taken there."""

    board: GateBoard
    profile: Path

    given: Mapping[str, object]
    """Its settings, but for which cameras there are."""

    def see(self, count: int) -> Seen:
        """What a worker with so many cameras takes and brings."""
        self.choose(count)
        self.board.edgekit.ok("settings", "push", NAME, "gate-watch")
        eventually(lambda: len(self.live()) == count, limit_s=300)
        first, worst_ms = self.report(), 0.0
        access = device_access(settings_from(self.board.edgekit.environ, ROOT / "edgekit"))
        with ThreadPoolExecutor(1) as beside, access.keeper(NAME) as keeper:
            sampling = beside.submit(self.board.do, SAMPLE)
            while not sampling.done():
                time.sleep(LOOK_S)
                (found,) = keeper.status().applications
                assert found.report is not None
                worst_ms = max(worst_ms, *(one.p99_ms for one in found.report.streams if one.state == "live"))
        own, files = map(int, sampling.result().split())
        last = self.report()
        frames = [sum(one["frames"] for one in report["streams"]) for report in (first, last)]
        fps = (frames[1] - frames[0]) / (last["uptime_s"] - first["uptime_s"]) / count
        return Seen(own, files, fps, worst_ms)

    def choose(self, count: int) -> None:
        """Write down which cameras there are."""
        self.board.give("gate-watch", {**self.given, **{f"has_{gate}": k < count for k, gate in enumerate(GATES)}})

    def live(self) -> list[dict[str, Any]]:
        """Streams whose camera is there."""
        return [one for one in self.report()["streams"] if one["state"] == "live"]

    def report(self) -> dict[str, Any]:
        """The worker's last."""
        found: dict[str, Any] = self.board.status("gate-watch")["report"]
        return found

    def foretold(self, count: int) -> dict[str, Any]:
        """What `edgekit plan` says of so many."""
        argv = ("plan", str(self.board.release), "--profile", str(self.profile), "--cameras", str(count))
        found: dict[str, Any] = self.board.edgekit.ok(*argv, "--fps", str(FPS), "--json").json
        return found


def slow_motion(clip: Path, slow: Path) -> Path:
    """A clip with the same pictures as its camera sends them, `FPS` in a second."""
    with av.open(str(clip)) as given, av.open(str(slow), "w") as taken:
        stream = given.streams.video[0]
        assert stream.average_rate is not None
        times = round(stream.average_rate / FPS)
        written = taken.add_stream_from_template(stream)
        for packet in given.demux(stream):
            if packet.size:
                assert packet.pts is not None and packet.dts is not None
                packet.pts, packet.dts, packet.duration = (
                    times * one for one in (packet.pts, packet.dts, packet.duration or 0)
                )
                packet.stream = written
                taken.mux(packet)
    return slow


@pytest.fixture(scope="module")
def site(gates: GateBoard, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Cameras, a broker, and a profile of one camera's clip."""
    folder: Path = tmp_path_factory.mktemp("site")
    folder.chmod(0o700)
    clips = [str(RECIPE / "clips" / f"{gate}.mp4") for gate in GATES]
    here = LocalExecutor()
    with (
        demo_broker(here, folder, "gate-watch", "p4ss-gate-watch") as broker,
        clip_cameras(here, RECIPE / "serve.py", clips, fps=FPS) as cameras,
    ):
        key = folder / "camera.key"
        key.touch(mode=0o600)
        key.write_text("none")
        given = {gate: cameras.url(number, "10.0.2.2") for number, gate in enumerate(GATES)}
        given |= {"camera_password": key, "stall_s": 60.0, "broker": "10.0.2.2", "broker_port": broker.port}
        given |= {"broker_user": broker.user, "broker_password": broker.password}
        site = Site(gates, folder / "profile.json", given)
        site.choose(1)
        gates.edgekit.ok("deploy", str(gates.release), NAME)
        gates.edgekit.ok("stop", NAME, "gate-watch")
        clip = slow_motion(Path(clips[0]), folder / "slow.mp4")
        argv = ("profile", NAME, str(gates.release), "--clip", str(clip), "--out", str(site.profile))
        gates.edgekit.ok(*argv, "--seconds", str(PROFILE_S), limit_s=900)
        gates.edgekit.ok("start", NAME, "gate-watch")
        yield site
        gates.remove("gate-watch")


def test_memory_of_cameras_is_what_was_foretold(site: Site) -> None:
    errors: dict[int, float] = {}
    for count in (1, 2, 4):
        seen, told = site.see(count), site.foretold(count)
        foretold, load = told["memory_usual_bytes"], told["loads"][-1]
        errors[count] = 100 * (foretold - seen.own) / seen.own
        print(
            f"{count} cameras: {foretold / MIB:.1f} MiB foretold, {seen.own / MIB:.1f} charged,"
            f" {seen.files / MIB:.1f} of files"
        )
        print(
            f"  {load['fps']:.3f} fps each foretold, {seen.fps:.3f} came: {100 * (load['fps'] / seen.fps - 1):+.0f} %"
        )
        print(f"  p99 {load['p99_ms']:.0f} ms foretold, {seen.p99_ms:.0f} came")
    assert max(map(abs, errors.values())) <= ERROR_PERCENT, errors
