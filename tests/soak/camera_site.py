"""Cameras of a real RTSP server, one worker for them all, and what can happen to each."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from edgekit.schema.plan import EnginePlan, LanePlan, StagePlan, WorkerPlan
from edgekit.schema.recipe import ColourContract
from edgekit.schema.settings import SettingPlace, TextSetting
from edgekit.schema.sink import JsonlSink
from edgekit.schema.source import RtspSource
from tests.fakes import networks, yolo
from tests.fakes.cameras import RtspServer, rtsp_server
from tests.fakes.doorway import Doorway, doorway
from tests.fakes.plan_worker import PlanWorker
from tests.fakes.plans import small_plan
from tests.soak.faults import CameraFault

STALL_S, FROZEN_S, CONNECT_S, BACKOFF_S = 5.0, 6.0, 5.0, 5.0
"""Options of every camera."""
OPEN_S = 3.0
"""For a connection, its first key frame, and the second until the next report."""
HOLD_S = 15.0
USER = "edge"
CAMERAS = {"cut": "h265", "hangs": "h264", "frozen": "h264", "gone": "mjpeg", "well": "h264"}
CAMERAS |= {"refused": "h264", "silent": "h264", "garbage": "h264"}
"""By what happens to each, with what it sends."""
FOUR = ("cut", "hangs", "gone", "well")
"""Those of a site as it is where all is well but the cables."""
SINKS = ("lines",)
DOORS = ("refused", "silent", "garbage")
"""Cameras that somebody else can stand in for: their server with another password, nobody, no camera at all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CameraSite:
    """Everything, running."""

    worker: PlanWorker
    faults: dict[str, CameraFault]
    """By camera; one has none."""
    passwords: tuple[str, ...]


@contextlib.contextmanager
def camera_site(folder: Path, names: Collection[str] = tuple(CAMERAS)) -> Iterator[CameraSite]:
    """Start these cameras and a worker in an empty folder. Pictures are small: how many a decoder has at the moment is
    chance, and at 1080p that would hide what leaks."""
    passwords = tuple(f"{secrets.token_urlsafe(9)}@/:{word}" for word in ("right", "wrong"))
    files = [folder / "password", folder / "wrong-password"]
    for file, password in zip(files, passwords, strict=True):
        file.write_text(password)
    pictures = {name: codec for name, codec in CAMERAS.items() if name in names}
    numbers = {name: number for number, name in enumerate(pictures)}
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(rtsp_server(*pictures.values(), login=(USER, files[0])))
        stranger = stack.enter_context(rtsp_server(*pictures.values(), login=(USER, files[1])))
        doors = {name: stack.enter_context(doorway(server.port)) for name in DOORS if name in names}
        urls = {name: doors.get(name, server).url(number) for name, number in numbers.items()}
        (folder / "worker").mkdir()
        networks.save(yolo.detector(), folder / "worker/net.onnx")
        worker = PlanWorker(folder / "worker", plan_for(urls), {"login": passwords[0]})
        stack.callback(worker.close)
        behind = {"refused": stranger.port, "silent": b"", "garbage": b"SSH-2.0-OpenSSH_9.2\r\n"}
        faults = {
            **server_faults(server, numbers),
            **{name: door_fault(name, door, server.port, behind[name]) for name, door in doors.items()},
        }
        yield CameraSite(worker=worker, faults=faults, passwords=passwords)


def plan_for(urls: dict[str, str]) -> WorkerPlan:
    """All cameras through a detector and a tracker to a file."""
    sources = {
        name: RtspSource(
            kind="rtsp",
            url=url,
            lane="decode",
            user=USER,
            password="setting",
            transport="udp" if name == "hangs" else "tcp",
            stall_s=STALL_S,
            frozen_s=FROZEN_S,
            connect_s=CONNECT_S,
            backoff_s=BACKOFF_S,
        )
        for name, url in urls.items()
    }
    contract = ColourContract(width_px=160, height_px=160, order="RGB", scale=1 / 255, fit="letterbox")
    cpus = tuple(sorted(os.sched_getaffinity(0)))
    plan = small_plan(
        StagePlan(name="scale", kind="preprocess", lane="look", engine="net", entry="", options={}),
        StagePlan(name="see", kind="infer", lane="look", engine="net", entry="", options={}),
        StagePlan(
            name="find", kind="yolo", lane="look", engine="net", entry="", options={"labels": list(yolo.CLASSES)}
        ),
        StagePlan(name="follow", kind="bytetrack", lane="look", engine="", entry="", options={}),
        engines={"net": EnginePlan(runner="onnxruntime", path="net.onnx", input=contract, threads=1)},
        sources=dict(sources),
        sinks={name: JsonlSink(kind="jsonl", path=f"{name}.jsonl", lane="look") for name in SINKS},
        lanes={name: LanePlan(cpus=cpus, queue=2, drop="drop_oldest") for name in ("decode", "look")},
    )
    secret = TextSetting(kind="text", about="The cameras' password.", secret=True)
    places = tuple(SettingPlace(setting="login", keys=("sources", name, "password")) for name in urls)
    return replace(plan, settings={"login": secret}, places=places)


def server_faults(server: RtspServer, numbers: dict[str, int]) -> dict[str, CameraFault]:
    """What the cameras themselves do."""
    found = {
        "cut": CameraFault(
            about="its connection ends",
            begin=lambda: server.do(f"cut {numbers['cut']}"),
            told_within_s=1.0,
            back_within_s=1.0 + OPEN_S,
        ),
        "hangs": CameraFault(
            about="no packet any more",
            begin=lambda: server.do(f"freeze {numbers['hangs']}"),
            told_within_s=STALL_S + 1.0,
            back_within_s=STALL_S + 1.0 + OPEN_S,
        ),
        "frozen": CameraFault(
            about="the same picture over and over",
            begin=lambda: server.do(f"still {numbers['frozen']}"),
            end=lambda: server.do(f"move {numbers['frozen']}"),
            hold_s=HOLD_S,
            told_within_s=FROZEN_S + 1.0,
            back_within_s=BACKOFF_S + OPEN_S,
        ),
        "gone": CameraFault(
            about="its path is not there",
            begin=lambda: server.do(f"gone {numbers['gone']}"),
            end=lambda: server.do(f"back {numbers['gone']}"),
            hold_s=HOLD_S,
            told_within_s=1.0,
            back_within_s=BACKOFF_S + OPEN_S,
        ),
    }
    return {name: fault for name, fault in found.items() if name in numbers}


def door_fault(name: str, door: Doorway, right: int, wrong: int | bytes) -> CameraFault:
    """Somebody else stands in for the camera."""
    about = {"refused": "another password", "silent": "accepts and never answers", "garbage": "answers garbage"}
    return CameraFault(
        about=about[name],
        begin=lambda: door.lead_to(wrong),
        end=lambda: door.lead_to(right),
        hold_s=HOLD_S,
        told_within_s=1.0,
        back_within_s=BACKOFF_S + OPEN_S,
    )
