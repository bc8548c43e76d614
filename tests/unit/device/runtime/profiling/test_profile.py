"""A release is measured by its own pipeline: a clip in place of its camera, its own stages, no network."""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from edgekit.device.runtime.profiling.profile import profile
from edgekit.errors import InputError
from edgekit.host.forecast.clip import make_clip
from edgekit.schema.message import from_message, to_message
from edgekit.schema.plan import EnginePlan, LanePlan, StagePlan, WorkerPlan
from edgekit.schema.profile import DECODE, PlayedClip, ProfileReply, ProfileRequest
from edgekit.schema.recipe import ColourContract
from edgekit.schema.sink import JsonlSink, MqttSink
from edgekit.schema.source import FileSource, RtspSource
from tests.fakes.eventually import PATIENCE_S
from tests.fakes.native import compile_library
from tests.fakes.plans import small_plan
from tests.fakes.rknnrt import CONTRACT, ENGINE

WORK = b"""\
import time

from edgekit.stage import Stage


class Work(Stage):
    def __call__(self, frame):
        began = time.thread_time()
        while time.thread_time() - began < 0.004:
            pass
        time.sleep(0.003)
        print("this is no answer")
        return frame if frame.sequence % 2 else None


class Slow(Stage):
    def __call__(self, frame):
        time.sleep(0.08)
        return frame


class Stops(Stage):
    def __call__(self, frame):
        return frame if frame.sequence < 12 else None


class Fails(Stage):
    def __call__(self, frame):
        raise RuntimeError("no such thing")
"""
CLIP = PlayedClip(about="blocks", data=base64.b64encode(make_clip((), (160, 96), 20.0).content).decode())
CPUS = tuple(sorted(os.sched_getaffinity(0)))


def plan_of(entry: str, **sinks: JsonlSink | MqttSink) -> WorkerPlan:
    plan = small_plan(
        StagePlan(name="work", kind="python", lane="all", engine="", entry=entry, options={}),
        sources={"north": RtspSource(kind="rtsp", url="rtsp://10.0.0.5/a", lane="decode")},
        sinks=dict(sinks) or {"lines": JsonlSink(kind="jsonl", path="lines.jsonl", lane="out")},
        lanes={name: LanePlan(cpus=CPUS, queue=4, drop="drop_oldest") for name in ("decode", "all", "out")},
    )
    return replace(plan, limits=replace(plan.limits, cpuset_cpus=CPUS))


@pytest.fixture
def release(tmp_path: Path) -> Path:
    (tmp_path / "app").mkdir()
    (tmp_path / "app/work.py").write_bytes(WORK)
    (tmp_path / "plan.json").write_bytes(to_message(plan_of("work:Work")))
    return tmp_path


def measured(release: Path, request: ProfileRequest, **environment: str) -> ProfileReply:
    """As `edgekit profile` asks: a process of its own, by standard input and output."""
    environ = {**os.environ, "PYTHONPATH": f"{Path.cwd()}:{release / 'app'}", **environment}
    argv = [sys.executable, "-m", "edgekit.device.runtime.profiling", "--release", str(release)]
    done = subprocess.run(
        argv, input=to_message(request), capture_output=True, env=environ, timeout=PATIENCE_S, check=False
    )
    assert done.returncode == 0, done.stderr.decode()
    return from_message(ProfileReply, done.stdout, "the reply")


def test_stages_cost_what_they_take_of_the_cpu_and_nothing_printed_is_an_answer(release: Path) -> None:
    reply = measured(release, ProfileRequest(seconds=3.0, clips=(CLIP,)))
    assert reply.failure == "" and reply.memory is not None
    (size,) = reply.sizes
    assert (size.width_px, size.height_px, size.codec, size.clip) == (160, 96, "h264", "blocks")
    assert set(size.costs) == {DECODE, "work", "lines"}
    work = size.costs["work"]
    assert 4.0 <= work.cpu_p50_ms < 6.0 and work.p50_ms >= 7.0, "it sleeps too, and that is no CPU time"
    assert work.wait_ms == 0, "there is no accelerator that it could wait for"
    assert work.pause_ms[6] == pytest.approx(3.0, abs=1.0), "neither did it wait for a CPU"
    assert size.met["work"].count >= 8, "others like it were played beside it"
    assert len(size.decode_ms) >= 20 and max(size.decode_ms) > 0
    assert size.costs["lines"].count == pytest.approx(work.count / 2, abs=2), "every other frame ends in the stage"
    assert set(size.overheads_ms) == {DECODE, "all", "out"}
    assert set(size.handoffs.alone_ms) == {"all", "out"} and all(one[6] > 0 for one in size.handoffs.alone_ms.values())
    assert set(size.handoffs.met_ms) <= {"all", "out"}
    assert size.p99_ms >= size.p50_ms >= 7.0 and size.pictures >= 1
    memory = reply.memory
    assert 0 < memory.interpreter_bytes < memory.libraries_bytes <= memory.ready_bytes <= size.memory_bytes
    assert 0 <= size.stream_bytes < 32 << 20 and reply.kernel and reply.python


def test_engines_on_the_cpu_take_memory_of_the_process_and_others_of_their_accelerator_too(release: Path) -> None:
    compile_library("rknnrt.c", release)
    shutil.copy(ENGINE, release / "net.rknn")
    shutil.copy(Path("recipes/gate-watch/model.onnx"), release / "net.onnx")
    contract = ColourContract(width_px=320, height_px=192, order="RGB")
    engines = {
        "npu": EnginePlan(runner="rknn", path="net.rknn", input=CONTRACT, threads=1, npu_cores=(0, 1)),
        "cpu": EnginePlan(runner="onnxruntime", path="net.onnx", input=contract, threads=1),
    }
    (release / "plan.json").write_bytes(to_message(replace(plan_of("work:Work"), engines=engines)))
    reply = measured(release, ProfileRequest(seconds=2.0, clips=(CLIP,)), LD_LIBRARY_PATH=str(release))
    assert reply.failure == ""
    npu, cpu = reply.engines["npu"], reply.engines["cpu"]
    assert npu.accelerator_bytes == 4096 + 2 * 8192, "as the fake runtime says"
    assert cpu.accelerator_bytes == 0 and cpu.memory_bytes > 1 << 20


def test_what_frames_wait_behind_others_is_not_what_a_thread_takes_to_wake_up(release: Path) -> None:
    (release / "plan.json").write_bytes(to_message(plan_of("work:Slow")))
    (size,) = measured(release, ProfileRequest(seconds=2.0, clips=(CLIP,))).sizes
    assert size.p50_ms > 200, "twenty frames a second come, twelve can be looked at: they stand in line"
    assert "all" not in size.handoffs.alone_ms, "it never sleeps"


def test_a_stage_that_fails_on_every_frame_is_no_profile(release: Path) -> None:
    (release / "plan.json").write_bytes(to_message(plan_of("work:Fails")))
    sys.path.insert(0, str(release / "app"))
    try:
        reply = profile(ProfileRequest(seconds=0.5, clips=(CLIP,)), release, alone=True, patience_s=3.0)
    finally:
        sys.path.remove(str(release / "app"))
    assert "after 0 frames none came through in 3 s" in reply.failure and reply.hint


def test_a_slow_camera_is_waited_for_frame_by_frame_and_measured_for_as_long_as_the_hint_says(release: Path) -> None:
    slow = PlayedClip(about="slow", data=base64.b64encode(make_clip((), (160, 96), 3.0).content).decode())
    sys.path.insert(0, str(release / "app"))
    try:
        short = profile(ProfileRequest(seconds=0.5, clips=(slow,)), release, alone=True, patience_s=2.2)
        assert "frames of slow came through in 0.5 s" in short.failure, "the first eight took longer than its patience"
        found = re.fullmatch(r"measure for longer: --seconds (\d+)", short.hint)
        assert found is not None, short.hint
        longer = ProfileRequest(seconds=float(found[1]), clips=(slow,))
        assert profile(longer, release, alone=True, patience_s=2.2).failure == ""
    finally:
        sys.path.remove(str(release / "app"))


def test_where_frames_stop_coming_no_longer_time_is_hinted_at(release: Path) -> None:
    (release / "plan.json").write_bytes(to_message(plan_of("work:Stops")))
    reply = measured(release, ProfileRequest(seconds=3.0, clips=(CLIP,)))
    assert "frames of blocks came through in 3 s" in reply.failure and "which stage drops them" in reply.hint


def test_a_recording_that_is_over_too_soon_is_told_with_what_can_be_measured_instead(release: Path) -> None:
    (release / "belt.mp4").write_bytes(make_clip((), (160, 96), 20.0).content)
    belt = FileSource(kind="file", path="belt.mp4", lane="decode", loops=1)
    (release / "plan.json").write_bytes(to_message(replace(plan_of("work:Work"), sources={"belt": belt})))
    reply = measured(release, ProfileRequest(seconds=20.0, clips=(PlayedClip(about="its own source, belt"),)))
    assert reply.failure == "its own source, belt ended before enough frames came through"
    assert reply.hint == "measure with --clip FILE"
    assert measured(release, ProfileRequest(seconds=1.0, clips=(CLIP,))).failure == ""


def test_what_would_tell_others_of_a_clip_is_left_out_where_the_network_cannot_be_left(release: Path) -> None:
    broker = MqttSink(kind="mqtt", host="broker.invalid", lane="out")
    lines = JsonlSink(kind="jsonl", path="lines.jsonl", lane="out")
    (release / "plan.json").write_bytes(to_message(replace(plan_of("work:Work", lines=lines, broker=broker))))
    reply = measured_alone(release, alone=False)
    assert reply.notes == ("sink broker was left out: it would have told others of a clip",)
    assert "broker" not in reply.sizes[0].costs
    (release / "plan.json").write_bytes(to_message(plan_of("work:Work", broker=broker)))
    assert "every sink of this release sends elsewhere" in measured_alone(release, alone=False).failure


def measured_alone(release: Path, *, alone: bool) -> ProfileReply:
    sys.path.insert(0, str(release / "app"))
    try:
        return profile(ProfileRequest(seconds=2.0, clips=(CLIP,)), release, alone=alone)
    finally:
        sys.path.remove(str(release / "app"))


def test_a_clip_that_did_not_arrive_whole_is_told(release: Path) -> None:
    broken = PlayedClip(about="north.mp4", data="%%%")
    assert profile(ProfileRequest(clips=(broken,)), release, alone=True).failure == "north.mp4 did not arrive whole"


def test_the_request_has_bounds() -> None:
    for wrong in ({"seconds": 0.0, "clips": [{"about": "x"}]}, {"seconds": 1.0, "clips": []}):
        with pytest.raises(InputError):
            from_message(ProfileRequest, json.dumps(wrong), "a request")
