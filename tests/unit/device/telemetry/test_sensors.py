"""What sensors tell on boards of both families and their kernels; one that hangs or fails costs itself alone."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pytest

from edgekit.device.telemetry.accelerators import read_loads
from edgekit.device.telemetry.files import SensorFiles
from edgekit.device.telemetry.sensors import KINDS, Sensors
from edgekit.schema.message import from_message, to_line
from edgekit.schema.telemetry import MAX_TELEMETRY_BYTES, BoardTelemetry
from tests.fakes.sensors import build_sensors

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

FOLDER = Path(__file__).parents[3] / "cases/telemetry"
CASES = {file.stem: tomllib.loads(file.read_text()) for file in FOLDER.glob("*.toml")}
GENEROUS_S = 30.0


def plain(found: BoardTelemetry) -> dict[str, Any]:
    """A reading as cases write it; what is empty is left out."""
    written = {
        "temperatures": {one.zone: one.celsius for one in found.temperatures},
        "loads": {f"{one.accelerator} {one.core}".strip(): one.ratio for one in found.loads},
        "clocks": {one.clock: [hz for hz in (one.hertz, one.limit_hertz) if hz is not None] for one in found.clocks},
        "rails": {one.rail: pytest.approx(one.watts) for one in found.rails},
        "module_watts": None if found.module_watts is None else pytest.approx(found.module_watts),
        "throttles": {f"{one.cause} {one.by}": one.active for one in found.throttles},
        "power_events": {one.line: one.count for one in found.power_events},
        "notes": list(found.notes),
    }
    return {key: value for key, value in written.items() if value not in ({}, [], None)}


@pytest.mark.parametrize("name", sorted(CASES))
def test_a_board_tells_what_it_has_and_nothing_else(name: str, tmp_path: Path) -> None:
    case = CASES[name]
    found = Sensors(str(build_sensors(case, tmp_path)), patience_s=GENEROUS_S).read()
    assert plain(found) == case["finds"]
    assert from_message(BoardTelemetry, to_line(found), name) == found


def test_a_driver_that_hangs_costs_its_own_kind_alone_and_one_thread(tmp_path: Path) -> None:
    """A FIFO without a writer: opening it blocks for as long as the test likes."""
    root = build_sensors(CASES["orin-nx-l4t36"], tmp_path)
    stuck = root / "sys/bus/i2c/drivers/ina3221/1-0040/hwmon/hwmon0/curr2_input"
    stuck.unlink()
    os.mkfifo(stuck)
    sensors = Sensors(str(root), patience_s=0.5)
    first = sensors.read()
    attempt = sensors._running["power"]
    for found in (first, sensors.read()):
        assert found.rails == () and found.module_watts is None
        assert "power: the board's driver does not answer" in found.notes
    assert sensors._running["power"] is attempt
    os.close(os.open(stuck, os.O_WRONLY))  # the driver is back
    attempt.join(GENEROUS_S)
    stuck.unlink()
    stuck.write_text("200\n")
    sensors._patience_s = GENEROUS_S
    assert plain(sensors.read()) == CASES["orin-nx-l4t36"]["finds"]


def test_a_kind_that_fails_leaves_the_rest(tmp_path: Path) -> None:
    def odd(_files: SensorFiles) -> BoardTelemetry:
        raise ZeroDivisionError("what\nnobody foresaw")

    found = Sensors(
        str(build_sensors(CASES["orin-nano-l4t39"], tmp_path)), kinds={**KINDS, "power": odd}, patience_s=GENEROUS_S
    ).read()
    assert "power: cannot be read: ZeroDivisionError: what nobody foresaw" in found.notes
    assert found.temperatures


def test_who_is_not_root_is_told_that_the_npus_load_is_for_root(tmp_path: Path) -> None:
    class PlainUsersFiles(SensorFiles):
        """/sys/kernel/debug has mode 0700."""

        def text(self, path: str) -> str | None:
            if path.startswith("sys/kernel/debug/"):
                self.refused.append(f"/{path}")
                return None
            return super().text(path)

    root = build_sensors(CASES["rk3588-vendor-510"], tmp_path)
    found = read_loads(PlainUsersFiles(str(root)))
    assert [load.accelerator for load in found.loads] == ["gpu", "memory"]
    assert found.notes == ("NPU load: root alone may read /sys/kernel/debug/rknpu/load",)


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_files_that_may_not_be_read_are_known(tmp_path: Path) -> None:
    (tmp_path / "load").write_text("1\n")
    (tmp_path / "load").chmod(0)
    files = SensorFiles(str(tmp_path))
    assert files.number("load") is None
    assert files.refused == ["/load"]


def test_a_board_that_shows_thousands_of_everything_is_cut_short(tmp_path: Path) -> None:
    zones = {f"zone-{number}-{'x' * 60}": 20000 for number in range(300)}
    policies = {number: [1000, 2000] for number in range(300)}
    found = Sensors(str(build_sensors({"zones": zones, "policies": policies}, tmp_path)), patience_s=GENEROUS_S).read()
    line = to_line(found)
    assert (len(found.temperatures), len(found.clocks)) == (64, 64)
    assert len(line) < MAX_TELEMETRY_BYTES
    assert from_message(BoardTelemetry, line, "it") == found
