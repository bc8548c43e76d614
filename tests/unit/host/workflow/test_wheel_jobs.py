"""Wheels are collected for a board without a terminal."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from edgekit.errors import InputError
from edgekit.host.workflow.wheel_jobs import WheelChoice, build_wheels, copy_into
from tests.fakes.workstations import workstation_in

WHEEL = "gate-1.0-py3-none-any.whl"


def write_wheel(folder: Path) -> Path:
    with zipfile.ZipFile(folder / WHEEL, "w") as wheel:
        wheel.writestr("gate.py", "OPEN = True\n")
        wheel.writestr("gate-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: gate\nVersion: 1.0\n")
        wheel.writestr("gate-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        wheel.writestr("gate-1.0.dist-info/RECORD", "")
    return folder / WHEEL


def test_a_wheel_that_fits_is_copied_as_it_is(tmp_path: Path) -> None:
    wheel, out = write_wheel(tmp_path), tmp_path / "out"
    listed = tmp_path / "list.txt"
    listed.write_text(f"./{WHEEL}  # the gate\n")
    for requirement in (str(wheel), f"-r {listed}"):
        (made,) = build_wheels(
            [requirement], "rk3588-debian12", WheelChoice(out=out), workstation_in(tmp_path / "home")
        )
        assert made.path == out / WHEEL
        assert made.path.read_bytes() == wheel.read_bytes()
        assert (made.wheel.name, made.wheel.version, made.wheel.record) == ("gate", "1.0", None)


def test_nothing_asked_for_is_refused(tmp_path: Path) -> None:
    empty = tmp_path / "list.txt"
    empty.write_text("# none yet\n")
    for asked in ([], [f"-r {empty}"]):
        with pytest.raises(InputError, match="nothing was asked for"):
            build_wheels(asked, "rk3588-debian12", WheelChoice(out=tmp_path), workstation_in(tmp_path / "home"))


def test_a_copy_is_whole_or_not_there(tmp_path: Path) -> None:
    wheel, out = write_wheel(tmp_path), tmp_path / "out"
    out.write_text("a file")
    with pytest.raises(InputError, match="cannot be written"):
        copy_into(wheel, out)
    out.unlink()
    copy_into(wheel, out)
    assert [path.name for path in out.iterdir()] == [WHEEL]
