"""A board's target file is written from what it is, and never over another's."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from edgekit.errors import InputError
from edgekit.host.catalogue.targets import read_target, resolve_target
from edgekit.host.workflow.probe import TargetChoice, probe_board
from tests.fakes.notes import Notes
from tests.fakes.workstations import workstation_in


def test_this_machine_is_described_as_it_is(tmp_path: Path) -> None:
    notes = Notes()
    station = workstation_in(tmp_path / "home", notes)
    choice = TargetChoice(out=tmp_path / "targets/desk.toml")
    board = probe_board("local", choice, station)
    assert notes.steps == ["local: reading what it is"]
    assert board.file == choice.out
    written = resolve_target(read_target(board.file, station.settings))
    assert written == board.target and written.name == "desk"
    assert written.os.arch == board.facts.arch
    board.file.write_text("# mine\n")
    with pytest.raises(InputError, match="is there and says something else"):
        probe_board("local", choice, station)
    assert board.file.read_text() == "# mine\n"
    probe_board("local", dataclasses.replace(choice, force=True), station)
    assert resolve_target(read_target(board.file, station.settings)).name == "desk"


def test_a_file_of_another_name_is_refused(tmp_path: Path) -> None:
    station = workstation_in(tmp_path / "home")
    with pytest.raises(InputError, match="cannot hold a target named 'gate'"):
        probe_board("local", TargetChoice(name="gate", out=tmp_path / "desk.toml"), station)
    assert not (tmp_path / "desk.toml").exists()
