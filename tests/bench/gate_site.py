"""The site that `edgekit plan` foretells: gate-watch's release for this machine, its cameras and broker, a real worker.

The worker runs under SCHED_RR: who else uses this machine takes the CPU from nobody here. The cameras run before it, as
real ones wait for no worker's CPU: at the worker's own priority pictures of four cameras left them 3 to 8 ms late. Its
memory is what the kernel charges to a cgroup of its own, looked at twenty times a second.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import av

from edgekit.device.keeper.process.launch import worker_env
from edgekit.executor.local import LocalExecutor
from edgekit.host.demo.broker import DemoBroker, demo_broker
from tests.fakes.cameras import RtspServer, rtsp_server

ROOT = Path(__file__).parents[2]
GATES = ("north", "south", "east", "west")
SCRIPT = Path(__file__).with_name("gate_worker.py")
_BOOT = "import runpy, sys; sys.path[:0] = sys.argv.pop(1).split(':'); runpy.run_path(sys.argv.pop(1))"
_CGROUP = Path("/sys/fs/cgroup")
_LOOK_EVERY_S = 0.05
_WORKER, _CAMERAS = 40, 50
"""Priorities."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """What one run of the worker showed."""

    latencies_ms: tuple[float, ...]
    fps: Mapping[str, float]
    phases: tuple[float, ...]
    """When each camera's key pictures came, in times between two pictures."""
    memory_bytes: int
    """Anonymous, shared and the kernel's, at the peak of their sum."""
    file_bytes: int
    """Page cache, then."""

    @property
    def p99_ms(self) -> float:
        """Capture to sink."""
        ascending = sorted(self.latencies_ms)
        return ascending[max(0, -(-99 * len(ascending) // 100) - 1)]


@dataclass(frozen=True, slots=True, kw_only=True)
class GateSite:
    """Everything that stands there."""

    folder: Path
    release: Path
    server: RtspServer
    broker: DemoBroker

    @property
    def measured(self) -> Path:
        """The release's profile, once it is taken."""
        return self.folder / "profile.json"

    def profile(self, seconds: float) -> None:
        """Take the release's profile, of one gate's clip."""
        clip = ROOT / "recipes/gate-watch/clips/north.mp4"
        with realtime(_WORKER):
            edgekit(
                self.folder,
                *("profile", "host", str(self.release), "--clip", str(clip)),
                *("--seconds", f"{seconds:g}", "--out", str(self.measured)),
            )

    def settings(self, cameras: int) -> dict[str, object]:
        """A board's, with so many of the cameras."""
        found: dict[str, object] = {}
        for number, gate in enumerate(GATES):
            found |= {gate: self.server.url(number), f"has_{gate}": number < cameras}
        return found | {
            "camera_password": "none",
            "broker": "127.0.0.1",
            "broker_port": self.broker.port,
            "broker_user": self.broker.user,
            "broker_password": self.broker.password.read_text().strip(),
        }

    def run(self, cameras: int, seconds: float, collects: Literal["worker", "python"] = "worker") -> Ran:
        """Let the worker see so many cameras for so long, and say who collects its garbage."""
        work = Path(tempfile.mkdtemp(dir=self.folder))
        files = self.release / "files"
        argv = [
            sys.executable,
            "-I",
            "-c",
            _BOOT,
            str(files / "site"),
            str(SCRIPT),
            str(files),
            str(work),
            f"{seconds}",
            collects,
        ]
        join = ["/bin/sh", "-c", 'echo 0 > "$0/cgroup.procs" && exec chrt --rr "$@"']
        with memory_cgroup() as cgroup:
            process = subprocess.Popen(
                [*join, str(cgroup), str(_WORKER), *argv],
                env=worker_env(work, {}),
                stdin=subprocess.PIPE,
                stdout=(work / "told").open("wb"),  # a pipe that nobody reads until the end would hold a long answer
                stderr=(work / "log").open("wb"),
            )
            assert process.stdin is not None
            process.stdin.write(json.dumps(self.settings(cameras)).encode())
            process.stdin.close()
            peak, file_bytes = 0, 0
            while process.poll() is None:
                own, files_now = charged(cgroup)
                peak, file_bytes = max((peak, file_bytes), (own, files_now))
                time.sleep(_LOOK_EVERY_S)
        assert process.returncode == 0, (work / "log").read_text()
        told = json.loads((work / "told").read_bytes())
        return Ran(
            latencies_ms=tuple(told["latencies_ms"]),
            fps=told["fps"],
            phases=tuple(told["phases"]),
            memory_bytes=peak,
            file_bytes=file_bytes,
        )


@contextlib.contextmanager
def gate_site() -> Iterator[GateSite]:
    """Build the release, and start cameras and broker."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="edgekit-bench-")))
        release = build(folder)
        shown = [str(bare_stream(gate, folder)) for gate in GATES]
        (folder / "broker").mkdir(mode=0o700)
        password = secrets.token_urlsafe(12)
        broker = stack.enter_context(demo_broker(LocalExecutor(), folder / "broker", "gate-watch", password))
        with realtime(_CAMERAS):
            server = stack.enter_context(rtsp_server(*shown))
        yield GateSite(folder=folder, release=release, server=server, broker=broker)


@contextlib.contextmanager
def realtime(priority: int) -> Iterator[None]:
    """What is started meanwhile runs under SCHED_RR; this process does too, until then."""
    os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(priority))
    try:
        yield
    finally:
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))


def edgekit(folder: Path, *argv: str) -> dict[str, object]:
    """One command's answer; its home is in `folder`."""
    environ = {**os.environ, "EDGEKIT_HOME": str(folder / "home")}
    program = Path(sys.executable).with_name("edgekit")
    command = [program, *argv, "--json"]
    done = subprocess.run(command, env=environ, cwd=ROOT, capture_output=True, timeout=600, check=False)
    assert done.returncode in (0, 8), done.stderr.decode()
    return dict(json.loads(done.stdout))


def build(folder: Path) -> Path:
    """The release of gate-watch for this machine."""
    edgekit(folder, "keys", "init")
    out = folder / "release"
    edgekit(folder, "build", "recipes/gate-watch", "--target", "host", "--out", str(out))
    return out


def bare_stream(gate: str, folder: Path) -> Path:
    """A gate's clip without its container, for a server that shows it over and over."""
    file = folder / f"{gate}.h264"
    with av.open(str(ROOT / "recipes/gate-watch/clips" / f"{gate}.mp4")) as clip, av.open(str(file), "w") as bare:
        stream = clip.streams.video[0]
        written = bare.add_stream_from_template(stream)
        for packet in clip.demux(stream):
            if packet.size:
                packet.stream = written
                bare.mux(packet)
    return file


@contextlib.contextmanager
def memory_cgroup() -> Iterator[Path]:
    """An empty cgroup that counts memory, of version 1 or 2."""
    parent = _CGROUP / "memory" if (_CGROUP / "memory").is_dir() else _CGROUP
    cgroup = parent / f"edgekit-bench-{os.getpid()}"
    cgroup.mkdir()
    try:
        yield cgroup
    finally:
        cgroup.rmdir()


def charged(cgroup: Path) -> tuple[int, int]:
    """Anonymous, shared and the kernel's bytes; and those of files."""
    parts = charged_parts(cgroup)
    return parts["own"] + parts["kernel"], parts["file"]


def charged_parts(cgroup: Path) -> dict[str, int]:
    """The bytes of a cgroup: its `own` (anonymous and shared), the `kernel`'s, and of `file`s.

    Source: Linux, Documentation/admin-guide/cgroup-v2.rst, memory.stat; cgroup-v1/memory.rst.
    """
    stat = {name: int(value) for name, value in map(str.split, (cgroup / "memory.stat").read_text().splitlines())}
    if "anon" in stat:
        own, file, kernel = stat["anon"] + stat["shmem"], stat["file"] - stat["shmem"], stat["kernel"]
    else:
        own, file = stat["rss"] + stat["shmem"], stat["cache"] - stat["shmem"]
        kernel = int((cgroup / "memory.kmem.usage_in_bytes").read_text())
    return {"own": own, "kernel": kernel, "file": file}
