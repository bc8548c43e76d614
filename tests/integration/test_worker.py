"""The worker as its keeper starts it: a process with a release, a report socket, and lanes that are really pinned."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from edgekit.host.catalogue.recipes import read_recipe
from edgekit.host.release.plan import plan_worker
from edgekit.schema.message import from_message, to_message
from edgekit.schema.plan import WorkerPlan
from edgekit.schema.report import Report
from edgekit.schema.target import CpuCluster, Memory, Os, Target
from edgekit.schema.units import Bytes, Cpus
from tests.fakes.benches import bench_in, compile_models
from tests.fakes.eventually import PATIENCE_S
from tests.fakes.published import checked_lines

pytestmark = pytest.mark.integration
RECIPE = Path(__file__).parents[2] / "recipes" / "sorting-line"


@dataclass
class Worker:
    """A running worker and our end of its socket."""

    process: subprocess.Popen[str]
    line: socket.socket

    def __post_init__(self) -> None:
        self.line.settimeout(60)
        self._file = self.line.makefile("r")  # one for all: it reads ahead

    def reports(self) -> Iterator[dict[str, Any]]:
        for text in self._file:
            yield asdict(from_message(Report, text, "worker"))

    def words(self) -> str:
        assert self.process.stderr is not None
        return self.process.stderr.read()

    def until(self, phase: str) -> dict[str, Any]:
        return next(report for report in self.reports() if report["phase"] == phase)


@pytest.fixture
def release(tmp_path: Path) -> Path:
    """The shipped recipe laid out as a release for this machine, played fast, twice."""
    folder = read_recipe(RECIPE)
    cpus = tuple(sorted(os.sched_getaffinity(0)))
    target = Target(
        name="host",
        title="",
        os=Os(id="x", version="1", arch="x86_64", libc_version="2.35", python="3.11"),
        clusters=(CpuCluster(name="all", cpus=Cpus(cpus)),),
        memory=Memory(total_bytes=Bytes(8 << 30)),
    )
    engines = compile_models(folder.recipe, folder.folder, target, bench_in(tmp_path))
    plan = plan_worker(folder.recipe, target, [engine.entry for engine in engines], has_app=True)
    for name in folder.carried:
        copy = tmp_path / "release" / "recipe" / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(folder.file(name).read_bytes())
    (tmp_path / "release/engines").mkdir()
    (tmp_path / "release/engines/parts.onnx").write_bytes(engines[0].file.read_bytes())
    (tmp_path / "release/app").mkdir()
    (tmp_path / "work").mkdir()
    # The recipe's own stage takes spidev, which a release brings along and this environment need not have.
    stages = tuple(stage for stage in plan.stages if stage.kind != "python")
    sources = {"belt": replace(plan.sources["belt"], pace="fast", loops=2)}
    write(tmp_path / "release", replace(plan, stages=stages, sources=sources))
    return tmp_path / "release"


def write(release: Path, plan: WorkerPlan) -> None:
    (release / "plan.json").write_bytes(to_message(plan))


def plan_of(release: Path) -> WorkerPlan:

    return from_message(WorkerPlan, (release / "plan.json").read_bytes(), "plan.json")


@pytest.fixture
def start(release: Path) -> Iterator[Any]:
    made: list[Worker] = []

    def begin() -> Worker:
        ours, theirs = socket.socketpair()
        argv = [sys.executable, "-m", "edgekit.device.runtime", "--release", release, "--work", release.parent / "work"]
        environ = {**os.environ, "EDGEKIT_REPORT_FD": str(theirs.fileno()), "PYTHONPATH": str(release / "app")}
        process = subprocess.Popen(
            argv, env=environ, pass_fds=[theirs.fileno()], stderr=subprocess.PIPE, text=True, cwd=RECIPE.parents[1]
        )
        theirs.close()
        made.append(Worker(process, ours))
        return made[-1]

    yield begin
    for worker in made:
        worker.process.kill()
        worker.process.wait()
        worker.line.close()


def test_the_clip_is_counted_exactly_and_the_worker_ends_by_itself(start: Any, release: Path) -> None:
    worker = start()
    last = worker.until("stopping")
    assert worker.process.wait(PATIENCE_S) == 0
    assert last["message"] == "source ended"
    assert last["golden"] == "passed"
    assert (last["score"]["passes"], last["score"]["wrong_passes"]) == (2, 0)
    assert last["frames"] == 240
    assert 'edgekit_frames_total{stream="belt"} 240.0' in last["metrics"]
    (stream,) = last["streams"]
    assert (stream["state"], stream["frames"], stream["passes"]) == ("ended", 240, 1)
    assert not stream["drops"]
    lines = checked_lines(release.parent / "work/counts.jsonl")
    truth = json.loads((RECIPE / "truth.json").read_text())["counts"]
    assert [line["counts"] for line in lines if line["event"] in ("restarted", "ended")] == [truth, truth]


def test_two_streams_are_counted_each_for_itself_and_one_goes_on_when_the_other_ends(start: Any, release: Path) -> None:
    """The same belt twice: at its own pace for ever, and once as fast as it goes. Mixed, they would count nonsense."""
    plan = plan_of(release)
    score = replace(plan.sinks["score"], source="fast")
    sources = {
        "belt": replace(plan.sources["belt"], pace="camera", loops=0),
        "fast": replace(plan.sources["belt"], pace="fast", loops=1),
    }
    write(release, replace(plan, sources=sources, sinks={**plan.sinks, "score": score}))
    worker = start()
    for report in worker.reports():
        streams = {stream["name"]: stream for stream in report["streams"]}
        if report["score"] and streams["belt"]["frames"] > streams["belt"]["wanted_fps"] * 3:
            break
    worker.process.send_signal(signal.SIGTERM)
    *_, last = [report, *worker.reports()]
    assert worker.process.wait(PATIENCE_S) == 0
    assert (last["phase"], last["message"]) == ("stopping", "told to stop")
    streams = {stream["name"]: stream for stream in last["streams"]}
    assert (streams["fast"]["state"], streams["fast"]["frames"], streams["fast"]["drops"]) == ("ended", 120, ())
    assert streams["belt"]["state"] == "live"
    assert {drop["cause"] for drop in streams["belt"]["drops"]} <= {"closing"}
    assert streams["belt"]["fps"] == pytest.approx(10.0, abs=1.5)
    assert (last["score"]["passes"], last["score"]["wrong_passes"]) == (1, 0)
    assert [lane["name"] for lane in last["lanes"]][:2] == ["camera/belt", "camera/fast"]
    lines = checked_lines(release.parent / "work/counts.jsonl")
    truth = json.loads((RECIPE / "truth.json").read_text())["counts"]
    ends = [(line["event"], line["counts"]) for line in lines if line["stream"] == "fast" and line["event"] != "count"]
    assert ends == [("ended", truth)]
    assert {line["stream"] for line in lines} == {"belt", "fast"}


def test_lanes_are_threads_with_names_and_affinity(start: Any, release: Path) -> None:
    plan = plan_of(release)
    write(release, replace(plan, sources={"belt": replace(plan.sources["belt"], pace="camera", loops=0)}))
    worker = start()
    report = worker.until("running")
    for lane in report["lanes"]:
        task = Path(f"/proc/{worker.process.pid}/task/{lane['tid']}")
        assert (task / "comm").read_text().strip() == lane["name"]
        cpus = plan.lanes[lane["name"].partition("/")[0]].cpus
        assert os.sched_getaffinity(lane["tid"]) == set(cpus) == set(lane["cpus"])
    assert [lane["name"] for lane in report["lanes"]] == ["camera/belt", "camera", "detect", "follow"]


@pytest.mark.parametrize("how", ["sigterm", "keeper gone"])
def test_it_stops_cleanly(how: str, start: Any, release: Path) -> None:
    plan = plan_of(release)
    write(release, replace(plan, sources={"belt": replace(plan.sources["belt"], pace="camera", loops=0)}))
    worker = start()
    worker.until("running")
    if how == "sigterm":
        worker.process.send_signal(signal.SIGTERM)
    else:
        worker.line.shutdown(socket.SHUT_RDWR)
    assert worker.process.wait(PATIENCE_S) == 0


def test_golden_frames_that_differ_refuse_the_release(start: Any, release: Path) -> None:
    file = release / "recipe/golden/expected.json"
    expected = json.loads(file.read_text())
    expected["frame-045.png"][0]["x_px"] += 50
    file.write_text(json.dumps(expected))
    worker = start()
    failed = worker.until("failed")
    assert worker.process.wait(PATIENCE_S) == 3
    assert "frame-045.png" in failed["message"] and "px away" in failed["message"]
    last = [failed, *worker.reports()][-1]
    assert (last["phase"], last["golden"][:6]) == ("failed", "failed")


@pytest.mark.parametrize(
    ("code", "seen"),
    [
        (
            "class Own:\n    def __init__(self, context): pass\n    def __call__(self, frame): 1 / 0\n",
            "ZeroDivisionError",
        ),
        ("import time\nclass Own:\n    def __init__(self, c): pass\n    def __call__(self, i): time.sleep(60)\n", ""),
    ],
    ids=["raises", "hangs"],
)
def test_a_stage_of_ones_own_that_fails_is_told(code: str, seen: str, start: Any, release: Path) -> None:
    (release / "app/own.py").write_text(code)
    plan = plan_of(release)
    own = replace(plan.stages[-1], name="own", kind="python", entry="own:Own", engine="", options={})
    source = replace(plan.sources["belt"], pace="camera", loops=0)
    write(release, replace(plan, stages=(*plan.stages, own), sources={"belt": source}, golden=None))
    worker = start()
    began = time.monotonic()
    for report in worker.reports():
        if seen and report["errors"] > 2:
            break
        if not seen and "lane follow: in stage own" in report["message"]:
            assert report["fps"] == 0
            break
        assert time.monotonic() - began < PATIENCE_S
    worker.process.send_signal(signal.SIGTERM)
    assert worker.process.wait(PATIENCE_S) == 0
    assert seen in worker.words()


def test_a_stage_that_leaves_the_process_is_a_failure_not_a_silent_lane(start: Any, release: Path) -> None:
    (release / "app/own.py").write_text(
        "import sys\nclass Own:\n    def __init__(self, c): pass\n    def __call__(self, i): sys.exit(5)\n"
    )
    plan = plan_of(release)
    own = replace(plan.stages[-1], name="own", kind="python", entry="own:Own", engine="", options={})
    write(release, replace(plan, stages=(*plan.stages, own), golden=None))
    worker = start()
    began = time.monotonic()
    for report in worker.reports():
        if report["phase"] == "failed":
            assert "stage own called sys.exit(5)" in report["message"]
            break
        assert time.monotonic() - began < PATIENCE_S
    assert worker.process.wait(PATIENCE_S) == 3


@pytest.mark.parametrize("damage", ["engine", "clip", "plan"])
def test_a_broken_release_is_one_sentence(damage: str, start: Any, release: Path) -> None:
    file = {"engine": "engines/parts.onnx", "clip": "recipe/clip.mp4", "plan": "plan.json"}[damage]
    (release / file).write_bytes(b"{")
    worker = start()
    failed = worker.until("failed")
    assert worker.process.wait(PATIENCE_S) == 3
    words = worker.words()
    assert failed["message"] in words and "Traceback" not in words
