"""The demo of gate-watch: what it writes for the board, and how it says what was counted wrong."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from edgekit.errors import InputError
from edgekit.executor.local import LocalExecutor
from edgekit.host.demo.broker import DemoBroker
from edgekit.host.demo.cameras import ClipCameras
from edgekit.host.settings import Settings
from edgekit.host.workflow.gate_watch import (
    GATES,
    PLACES,
    RECIPE,
    GateWatch,
    GateWatchResult,
    commands,
    differences,
    fleet_text,
)
from edgekit.schema.fleet import Fleet
from edgekit.schema.reader import from_toml
from tests.fakes.workstations import workstation_in

CAMERAS = cast(ClipCameras, SimpleNamespace(url=lambda number, host: f"rtsp://{host}:8554/cam{number}"))
BROKER = DemoBroker(port=18830, user="gate-watch", password=Path("/run/x/broker.key"))
RESULT = GateWatchResult(
    device="host",
    seconds=1.0,
    counts={"north": {"gate car in": 2}},
    truth={"north": {"gate car in": 2}},
    wrong=0,
    events=2,
    event={},
    cut="north",
    picture=Path("p.jpg"),
    release=Path("r"),
)


def given(device: str) -> dict[str, Any]:
    text = fleet_text(PLACES[device], CAMERAS, BROKER, Path("/run/x/camera.key"))
    return dict(from_toml(Fleet, text, "fleet.toml").settings[RECIPE])


def test_a_board_is_told_of_its_cameras_as_it_reaches_them_and_no_secret_is_written_down() -> None:
    here, virt = given("host"), given("virt")
    assert [here[f"has_{gate}"] for gate in GATES] == [True] * 4
    assert [virt[f"has_{gate}"] for gate in GATES] == [True, True, False, False]
    assert (here["south"], virt["south"]) == ("rtsp://127.0.0.1:8554/cam1", "rtsp://10.0.2.2:8554/cam1")
    assert (virt["broker"], virt["broker_port"]) == ("10.0.2.2", 18830)
    assert (here["camera_password"].file, here["broker_password"].file) == ("/run/x/camera.key", "/run/x/broker.key")


def test_a_camera_in_slow_motion_is_given_more_time_until_it_counts_as_stalled() -> None:
    assert given("host")["stall_s"] == 5.0
    assert given("virt")["stall_s"] * PLACES["virt"].fps >= 10


def test_it_runs_what_a_user_would_type() -> None:
    made = commands("virt", PLACES["virt"], Path("out/r"), Path("recipes/gate-watch"))
    assert [argv[0] for argv in made] == ["keys", "build", "board", "provision", "deploy"]
    assert ("board", "up", "--like", "virt", "--seed", "out/r") in made
    assert ("board", "up", "--like", "host") in commands("host", PLACES["host"], Path("out/r"), Path("r"))


def test_what_was_counted_wrong_is_named() -> None:
    wrong = dataclasses.replace(RESULT, counts={"north": {"gate car in": 1, "gate person out": 1}})
    assert differences(wrong) == "north: 1 gate car in, 2 in truth; north: 1 gate person out, 0 in truth"
    assert differences(dataclasses.replace(RESULT, events=0)) == "the broker was told of no crossing"


def test_another_device_is_refused_before_anything_is_started(tmp_path: Path) -> None:
    def run(argv: Sequence[str], settings: Settings) -> None:
        raise AssertionError(argv)

    settings = workstation_in(tmp_path).settings
    demo = GateWatch(device="gate", settings=settings, executor=LocalExecutor(), run=run, note=print)
    with pytest.raises(InputError, match="knows no device 'gate'"):
        demo.play()
