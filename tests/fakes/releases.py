"""Tiny releases, whole and signed, whose worker is a plain script that behaves as told.

Behaviours: `healthy`, `exits` (code 3 with a reason), `crashes` (SIGSEGV), `hangs` (reports once, then never),
`silent` (never reports), `floods` (healthy, and reports and prints as much as it can), `unhealthy` (0 frames a
second), `settings` (says its settings, unhealthy if `least` is 0.9), `golden` (golden frames fail), `hungry` (eats
memory until killed), `falls` (healthy for 20 reports, then exits), `fills` and `fills later` (write to their folder
without end), `stubborn` (healthy, ignores
SIGTERM and the end of its keeper, and has a child that does too).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from edgekit.schema.manifest import FileEntry, Manifest, Requires
from edgekit.schema.message import to_message
from edgekit.schema.plan import LimitsPlan, WorkerPlan
from edgekit.schema.recipe import Golden, Health
from edgekit.trust import sha256_bytes
from tests.fakes.signers import fake_signature

WORKER = """
import json, os, select, signal, socket, sys, time
behaviour = {behaviour!r}
line = socket.socket(fileno=int(os.environ["EDGEKIT_REPORT_FD"]))
stubborn = behaviour == "stubborn"
if stubborn:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if os.fork() == 0:
        time.sleep(60)
else:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
settings = json.loads(os.fdopen(int(os.environ["EDGEKIT_SETTINGS_FD"]), "rb").read() or b"{{}}").get("values", {{}})
if behaviour == "settings":
    print("runs with", json.dumps(settings), flush=True)
    behaviour = "unhealthy" if settings.get("least") == 0.9 else "healthy"
def report(**fields):
    line.sendall(json.dumps(fields).encode() + b"\\n")
print(behaviour, "worker at work in", os.getcwd(), flush=True)
frames, eaten = 0, []
FRAMES = "# HELP edgekit_frames_total Frames.\\n# TYPE edgekit_frames_total counter\\nedgekit_frames_total %d\\n"
while behaviour == "floods":
    usual = dict(phase="running", fps=10.0, frames=frames, golden="passed")
    report(**usual, metrics="x" * 1000000)
    line.sendall(b'{{"lanes":' + b"[[]," * 250000 + b"\\n")
    report(**usual, counts={{str(number): 1 << 60 for number in range(40000)}})
    report(**usual, message="m" * 60000)
    line.sendall(b'{{"phase":"running","fps":10.0}}\\n' * 10000)
    os.write(1, b"\\n" * 65536 + b"y" * 65536)
    frames += 1
while True:
    if behaviour != "silent" and not (behaviour == "hangs" and frames):
        fps = 0.0 if behaviour == "unhealthy" else 10.0
        golden = "failed: frame 1 is off by 9 px" if behaviour == "golden" else "passed"
        report(phase="running", fps=fps, frames=frames, golden=golden, metrics=FRAMES % frames)
    frames += 1
    if behaviour == "exits" and frames > 2:
        report(phase="failed", message="the camera is gone")
        sys.exit(3)
    if behaviour == "falls" and frames > 20:
        report(phase="failed", message="the sensor gave up")
        sys.exit(3)
    if behaviour == "crashes":
        os.kill(os.getpid(), signal.SIGSEGV)
    if behaviour == "fills" or (behaviour == "fills later" and frames > 40):
        with open("filled", "ab") as file:
            file.write(os.urandom(1 << 18))
    if behaviour == "hungry" and frames > 3:
        eaten.append(bytearray(b"x") * (8 << 20))
    if stubborn:
        time.sleep({period})
    elif select.select([line], [], [], {period})[0] and not line.recv(4096):
        sys.exit(0)
"""

HEALTH = Health(min_fps=2.0, settle_s=0.3, start_s=5.0, stall_s=1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class FakeRelease:
    """A release as a client would send it."""

    digest: str
    manifest: Manifest
    manifest_json: bytes
    signature: bytes
    blobs: dict[str, bytes]
    plan: WorkerPlan


def make_plan(
    *,
    application: str = "sorter",
    version: str = "1.0.0",
    python: str = "/usr/bin/python3",
    health: Health = HEALTH,
) -> WorkerPlan:
    """A plan with nothing in its pipeline, for limits and health alone."""
    return WorkerPlan(
        application=application,
        version=version,
        target="host",
        python_path=python,
        site="site",
        app="",
        engines={},
        sources={},
        stages=(),
        sinks={},
        lanes={},
        limits=LimitsPlan(memory_max=64 << 20, memory_high=0, cpuset_cpus=(0,), pids_max=32, advisory=True),
        health=health,
        golden=None,
    )


def make_release(
    behaviour: str = "healthy",
    *,
    plan: WorkerPlan | None = None,
    extra: Mapping[str, bytes] | None = None,
    sign: Callable[[bytes], bytes] = fake_signature,
    period_s: float = 0.05,
) -> FakeRelease:
    """A release of the given behaviour; `extra` files go beside the worker's."""
    plan = plan or make_plan()
    if behaviour == "golden":
        plan = replace(plan, golden=Golden(frames=("frame.png",), expected="frames.json"))
    files = {
        "plan.json": to_message(plan),
        "site/edgekit/__init__.py": b"",
        "site/edgekit/device/runtime/__main__.py": WORKER.format(behaviour=behaviour, period=period_s).encode(),
        "tool": b"#!/bin/sh\n",
        **(extra or {}),
    }
    entries = [
        FileEntry(path=path, sha256=sha256_bytes(data), bytes=len(data), executable=path == "tool")
        for path, data in sorted(files.items())
    ]
    manifest = Manifest(
        format=1,
        application=plan.application,
        version=plan.version,
        target="host",
        edgekit="0.1.0",
        requires=Requires(
            arch="x86_64",
            libc_version="2.17",
            python="3.11",
            cpus=(0,),
            memory_bytes=0,
            disk_bytes=0,
            cgroup_controllers=(),
            accelerators=plan.accelerators,
        ),
        files=tuple(entries),
        wheels=(),
        engines=(),
    )
    manifest_json = to_message(manifest)
    return FakeRelease(
        digest=sha256_bytes(manifest_json),
        manifest=manifest,
        manifest_json=manifest_json,
        signature=sign(manifest_json),
        blobs={sha256_bytes(data): data for data in files.values()},
        plan=plan,
    )


def write_release(release: FakeRelease, folder: Path) -> Path:
    """Lay a release out as `edgekit build` does on the host."""
    for entry in release.manifest.files:
        path = folder / "files" / entry.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(release.blobs[entry.sha256])
        path.chmod(0o755 if entry.executable else 0o644)
    (folder / "manifest.json").write_bytes(release.manifest_json)
    (folder / "manifest.json.sig").write_bytes(release.signature)
    return folder
