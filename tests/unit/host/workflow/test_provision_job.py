"""Provisioning as a whole job: signers are judged first, a plan changes nothing, what is refused changes nothing."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from edgekit.errors import InputError, RolloutError
from edgekit.executor.local import LocalExecutor
from edgekit.host.keys import make_key
from edgekit.host.workflow.devices import DeviceAccess
from edgekit.host.workflow.provision import ProvisionOptions, provision_device, read_signers
from edgekit.host.workflow.workstation import Workstation
from tests.fakes.devices import FactsExecutor, access_to
from tests.fakes.notes import Notes
from tests.fakes.workstations import workstation_in


@pytest.fixture
def notes() -> Notes:
    return Notes()


@pytest.fixture
def station(tmp_path: Path, notes: Notes) -> Workstation:
    found = workstation_in(tmp_path / "home", notes)
    make_key(found.settings, found.executor, principal="ann@desk")
    return found


def access(folder: Path) -> DeviceAccess:
    return access_to({"gate": LocalExecutor()}, prefix=str(folder / "device"), service="process")


def test_a_plan_names_every_change_and_makes_none(tmp_path: Path, station: Workstation, notes: Notes) -> None:
    done = provision_device("gate", ProvisionOptions(plan=True), access(tmp_path), station)
    assert not done.applied and done.device == "gate"
    assert "start the keeper" in done.changes
    assert notes.notes[0].startswith("  may sign: ") and notes.notes[0].endswith("(you)")
    assert [f"  would {what}" for what in done.changes] == notes.notes[1:]
    assert notes.steps == ["gate: looking at what is there"]
    assert not (tmp_path / "device").exists()


def test_who_may_sign_is_you_by_default_and_the_fleets_where_it_names_them(
    tmp_path: Path, station: Workstation
) -> None:
    own = read_signers(None, station, without_me=False)
    assert [(one.you, one.not_now) for one in own.signers] == [(True, "")]
    assert own.content == station.settings.allowed_signers.read_bytes()
    theirs = tmp_path / "signers"
    theirs.write_bytes(own.content.replace(b"namespaces=", b'valid-before="20200101",namespaces='))
    fleet = dataclasses.replace(access(tmp_path).inventory, allowed_signers=theirs)
    through_fleet = dataclasses.replace(access(tmp_path), inventory=fleet)
    with pytest.raises(InputError, match=r"signers:1: your key was valid until 2020"):
        provision_device("gate", ProvisionOptions(plan=True), through_fleet, station)
    done = provision_device("gate", ProvisionOptions(plan=True, without_me=True), through_fleet, station)
    assert "but not now: it was valid until" in str(done.signers[0])


def test_a_file_that_is_not_there_is_told_with_the_command_that_makes_it(tmp_path: Path, station: Workstation) -> None:
    with pytest.raises(InputError, match="nobody could sign") as caught:
        read_signers(tmp_path / "none", station, without_me=False)
    assert caught.value.hint == f"one that names you: edgekit keys show > {tmp_path / 'none'}"
    station.settings.allowed_signers.unlink()
    with pytest.raises(InputError) as caught:
        read_signers(None, station, without_me=False)
    assert caught.value.hint == "edgekit keys init makes your key"


def test_a_device_that_answers_something_else_is_left_as_it_is(station: Workstation) -> None:
    board = FactsExecutor({})
    board.stdout = b"Welcome!\n"
    with pytest.raises(RolloutError, match="answered something else"):
        provision_device("gate", ProvisionOptions(), access_to({"gate": board}), station)
    assert (len(board.asked), board.closed) == (1, 1)
