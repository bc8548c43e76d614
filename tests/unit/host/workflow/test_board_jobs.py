"""Virtual boards as whole jobs: what is refused before anything starts, and what is listed."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgekit.errors import EdgekitError, InputError, NothingSelected
from edgekit.host.workflow.boards import (
    BoardOptions,
    bring_up,
    bring_up_host,
    list_boards,
    run_on_board,
    take_down,
)
from edgekit.schema.fleet import Device
from edgekit.schema.reader import to_json
from tests.fakes.workstations import workstation_in


@pytest.mark.parametrize("options", [BoardOptions(like="toaster"), BoardOptions(like="host")])
def test_a_kind_that_there_is_not_is_refused_with_those_that_there_are(options: BoardOptions, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no board is like") as caught:
        bring_up(options, workstation_in(tmp_path))
    assert "virt" in caught.value.hint and "host" in caught.value.hint


@pytest.mark.parametrize("name", ["a/b", "../x", "host", "a b", "-"])
def test_a_name_that_could_be_a_path_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is not a name for a board"):
        bring_up(BoardOptions(name=name), workstation_in(tmp_path))
    assert not (tmp_path / "state/boards").exists()


def test_this_machines_name_is_no_boards_and_the_hint_says_what_it_is(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        bring_up(BoardOptions(name="host"), workstation_in(tmp_path))
    assert caught.value.hint == "edgekit board up --like host"


def test_this_machine_has_one_name(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="always named host"):
        bring_up_host("bench", workstation_in(tmp_path))


def test_nothing_is_there_before_the_first_board(tmp_path: Path) -> None:
    station = workstation_in(tmp_path)
    assert list_boards(station) == ()
    with pytest.raises(NothingSelected, match="there is no board 'virt'"):
        run_on_board("virt", ["true"], station)
    with pytest.raises(EdgekitError):
        take_down("virt", station)


def test_this_machine_is_listed_where_it_is_a_device(tmp_path: Path) -> None:
    station = workstation_in(tmp_path)
    folder = station.settings.state_dir / "boards/host"
    folder.mkdir(parents=True)
    (folder / "device.json").write_bytes(to_json(Device(name="host", address="local", prefix="/opt/x")))
    (found,) = list_boards(station)
    assert (found.name, found.like, found.state, found.address) == ("host", "host", "running", "local")
