"""Releases that fail for one true reason each, on a device of this machine: a real keeper, real workers, real faults.

One more cause is one more function here and one more line in `PROVOKED`.
"""

from __future__ import annotations

import contextlib
import os
import re
import socket
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from edgekit.executor.local import LocalExecutor
from edgekit.schema.manifest import SIGNATURE_NAMESPACE
from edgekit.schema.plan import EnginePlan, WorkerPlan
from edgekit.schema.sink import JsonlSink
from edgekit.schema.source import RtspSource
from edgekit.trust import sign
from tests.fakes.cameras import rtsp_server
from tests.fakes.clips import clip_source, write_pictures
from tests.fakes.networks import tiny
from tests.fakes.plans import python_stage
from tests.fakes.real_worker import drawn_plan, real_release
from tests.fakes.releases import write_release

_FREEZER = Path("/sys/fs/cgroup/memory")
"""Where memory is limited on a machine with cgroup v1; a board has v2, and its own test."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A device of this machine, and what a test may do with it."""

    folder: Path
    """For what is made on the way; the host's own things are there too."""
    deploy: Callable[[Path], int]
    """Deploys a release's folder and gives the exit code."""
    keeper_pid: Callable[[], int]

    def release(self, plan: WorkerPlan, extra: Mapping[str, bytes] | None = None, *, key: Path | None = None) -> Path:
        """A release with the real worker, as a folder."""
        key = key or self.folder / "home/config/release-key"
        made = real_release(
            plan, lambda text: sign(LocalExecutor(), text, key=key, namespace=SIGNATURE_NAMESPACE), extra=extra
        )
        return write_release(made, self.folder / f"{plan.application}-{plan.version}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Provoked:
    """One cause, how it is provoked, and what must be told."""

    cause: str
    act: Callable[[Place, str], None]
    """Gets the application's name; returns when it has gone wrong."""
    happened: str
    sentence: str
    """A pattern of what the sentence must hold, beside the application."""


def plan_of(application: str, version: str = "1.0.0", **changes: object) -> WorkerPlan:
    """Drawn frames through a stage of the recipe's own."""
    sink = JsonlSink(kind="jsonl", path="counts.jsonl", lane="viewers")
    plan = replace(drawn_plan({"counts": sink}, "gate", version=version), application=application)
    return replace(plan, **changes)  # type: ignore[arg-type]


def with_stage(application: str, body: str, version: str = "1.0.0") -> tuple[WorkerPlan, dict[str, bytes]]:
    """A plan with a stage whose module has this code."""
    plan = plan_of(application, version)
    stages = (*plan.stages, python_stage("own", "own:Own"))
    return replace(plan, stages=stages), {"app/own.py": body.encode()}


_STAGE = """
class Own:
    def __init__(self, context):
        {made}
        self.frames = 0

    def __call__(self, frame):
        self.frames += 1
        {each}
        return frame
"""


def _refused(place: Place, release: Path, code: int = 8) -> None:
    assert place.deploy(release) == code


def _engine(place: Place, application: str, content: bytes) -> None:
    engines = {"net": EnginePlan(runner="onnxruntime", path="engines/net.onnx", input=None, threads=1)}
    _refused(place, place.release(plan_of(application, engines=engines), {"engines/net.onnx": content}))


def bad_model(place: Place, application: str) -> None:
    """A model's file that was cut."""
    _engine(place, application, tiny().SerializeToString()[:200])


def engine_version(place: Place, application: str) -> None:
    """A model that a far newer ONNX wrote."""
    model = tiny()
    model.ir_version = 99
    _engine(place, application, model.SerializeToString())


def missing_library(place: Place, application: str) -> None:
    """A camera vendor's library that this board does not have."""
    code = "import ctypes\nctypes.CDLL('libvendorcam.so.2')\n" + _STAGE.format(made="pass", each="pass")
    _refused(place, place.release(*with_stage(application, code)))


def port_taken(place: Place, application: str) -> None:
    """The port of the application's own page is this process's."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        made = f"self.page = socket.create_server(('127.0.0.1', {port}))"
        code = "import socket\n" + _STAGE.format(made=made, each="pass")
        _refused(place, place.release(*with_stage(application, code)))


def colour_mismatch(place: Place, application: str) -> None:
    """A clip in BT.709 that the recipe takes for BT.601."""
    pictures = [np.full((64, 64, 3), 40 * number, np.uint8) for number in range(5)]
    clip = write_pictures(place.folder / "clip.mp4", pictures)
    source = replace(clip_source(clip, matrix="601"), lane="all")
    _refused(place, place.release(plan_of(application, sources={"gate": source}), {"clip.mp4": clip.read_bytes()}))


def camera_gone(place: Place, application: str) -> None:
    """A camera that was there for the release before, and is gone when the next one starts."""
    with rtsp_server("h264") as server:
        camera = RtspSource(kind="rtsp", url=server.url(0), lane="all", connect_s=3.0)
        plan = plan_of(application, sources={"gate": camera}, stages=())
        assert place.deploy(place.release(plan)) == 0
    health = replace(plan.health, start_s=15.0)
    _refused(place, place.release(replace(plan, version="2.0.0", health=health)))


def unhealthy(place: Place, application: str) -> None:
    """More frames a second are asked for than there are."""
    plan = plan_of(application)
    _refused(place, place.release(replace(plan, health=replace(plan.health, min_fps=500.0, start_s=15.0))))


def crash_loop(place: Place, application: str) -> None:
    """A release that is healthy when it is tried, and falls over soon after, again and again."""
    each = "if self.frames > 20: os.kill(os.getpid(), signal.SIGSEGV)"
    code = "import os, signal\n" + _STAGE.format(made="pass", each=each)
    assert place.deploy(place.release(*with_stage(application, code))) == 0


def signature(place: Place, application: str) -> None:
    """A release that somebody signed whom the device does not know."""
    stranger = place.folder / "stranger"
    LocalExecutor().run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(stranger)], timeout_s=60)
    _refused(place, place.release(plan_of(application), key=stranger), code=6)


def out_of_memory(place: Place, application: str) -> None:
    """A worker that takes more memory than the group of processes may have; the kernel ends it."""
    each = "if self.frames > 20: self.kept = getattr(self, 'kept', []) + [bytearray(b'x') * (64 << 20)]"
    code = _STAGE.format(made="pass", each=each)
    with limited_memory(place.keeper_pid(), 600 << 20):
        assert place.deploy(place.release(*with_stage(application, code))) == 0


@contextlib.contextmanager
def limited_memory(pid: int, limit_bytes: int) -> Iterator[None]:
    """Put a process, and what it starts from now on, into a group of its own."""
    group = _FREEZER / f"edgekit-test-{os.getpid()}"
    before = re.search(r":memory:(.*)", Path(f"/proc/{pid}/cgroup").read_text())
    if before is None or not os.access(_FREEZER, os.W_OK):
        pytest.skip("needs cgroup v1's memory controller, as root; the virtual board has v2")
    group.mkdir()
    (group / "memory.limit_in_bytes").write_text(str(limit_bytes))
    (group / "cgroup.procs").write_text(str(pid))
    try:
        yield
    finally:
        (_FREEZER / before[1].strip("/") / "cgroup.procs").write_text(str(pid))


PROVOKED = (
    Provoked(
        cause="bad_model", act=bad_model, happened="rolled_back", sentence=r"its model cannot be used: .*net\.onnx"
    ),
    Provoked(
        cause="engine_version", act=engine_version, happened="rolled_back", sentence=r"another version.*IR version"
    ),
    Provoked(
        cause="missing_library", act=missing_library, happened="rolled_back", sentence=r"libvendorcam\.so\.2 is missing"
    ),
    Provoked(
        cause="port_taken",
        act=port_taken,
        happened="rolled_back",
        sentence=r"port \d+ is taken already, by .*\(process \d+\)",
    ),
    Provoked(
        cause="colour_mismatch",
        act=colour_mismatch,
        happened="rolled_back",
        sentence=r"colours do not fit: .*source gate: the stream says matrix 709, the recipe says 601",
    ),
    Provoked(
        cause="camera_gone",
        act=camera_gone,
        happened="rolled_back",
        sentence=r"no pictures come from a camera: gate down for",
    ),
    Provoked(
        cause="unhealthy",
        act=unhealthy,
        happened="rolled_back",
        sentence=r"a health gate was missed: .*fps [\d.]+ < min_fps 500\.0",
    ),
    Provoked(
        cause="crash_loop",
        act=crash_loop,
        happened="restarted",
        sentence=r"crash loop: it ended \d times .*killed by SIGSEGV",
    ),
    Provoked(
        cause="signature",
        act=signature,
        happened="refused",
        sentence=r"its signature does not count: .*key SHA256:\S+ is not trusted here",
    ),
    Provoked(
        cause="out_of_memory",
        act=out_of_memory,
        happened="restarted",
        sentence=r"it ran out of memory: killed by the kernel \(peak",
    ),
)
"""What is provoked here. `disk_full` has a disk of its own, and `clock_jump` a board whose clock may be set."""
