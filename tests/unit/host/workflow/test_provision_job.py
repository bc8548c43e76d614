"""Provisioning as a whole job: signers are judged first, a plan changes nothing, what is refused changes nothing."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from edgekit.errors import InputError, RolloutError, Unreachable
from edgekit.executor.local import LocalExecutor
from edgekit.host.keys import make_key
from edgekit.host.workflow.devices import DeviceAccess
from edgekit.host.workflow.provision import ProvisionOptions, provision_device, read_signers
from edgekit.host.workflow.workstation import Workstation
from edgekit.sent.facts.report import facts as probe
from tests.fakes.boards.tree import build_board
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
    assert notes.steps == ["gate: reading its facts", "gate: looking at what is there"]
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
    with pytest.raises(InputError, match="no JSON object"):
        provision_device("gate", ProvisionOptions(), access_to({"gate": board}), station)
    assert (len(board.asked), board.closed) == (1, 1)


def provision_tree(board: str, folder: Path, station: Workstation) -> None:
    """Provision a board that tells its facts and then is gone."""
    asked = []

    def before() -> None:
        asked.append(board)
        if len(asked) > 1:
            raise Unreachable("gone", hint="look")

    executor = FactsExecutor(probe(str(build_board(board, folder / "root")), "/var/lib"), before)
    provision_device("gate", ProvisionOptions(plan=True), access_to({"gate": executor}), station)


@pytest.mark.parametrize(
    ("board", "said"),
    [
        ("rk3576-flipper-trixie", "the board is an RK3576, needed is a Jetson Orin or an RK3588: the CPU alone"),
        ("x86-host", "the board is an x86-64 machine, needed is a Jetson Orin or an RK3588: the CPU alone"),
        (
            "turing-rk1-jammy-510",
            "cgroup is version 1, needed is version 2, to enforce limits: take "
            "systemd.unified_cgroup_hierarchy=0 out of /boot/firmware/ubuntuEnv.txt, line 2, and reboot",
        ),
        (
            "rock-5b-v1",
            "cgroup is version 1, needed is version 2, to enforce limits: boot with systemd.unified_cgroup_hierarchy=1",
        ),
    ],
)
def test_what_a_board_is_and_lacks_is_said_before_anything_changes(
    board: str, said: str, tmp_path: Path, station: Workstation, notes: Notes
) -> None:
    with pytest.raises(Unreachable):
        provision_tree(board, tmp_path, station)
    assert any(note.startswith(f"  warning: {said}") for note in notes.notes)


@pytest.mark.parametrize(
    ("board", "hint"),
    [
        ("firefly-itx-3588j-focal", "flash an image that has one: that of target rk3588-debian12 or"),
        ("orin-nano-devkit-jp511", "flash an image that has one: that of target jetson-orin-nano-jp62 or"),
        (
            "xavier-nx-jp46",
            "its maker's last system is JetPack 5 with Python 3.8, so keeper and workers do not run on it",
        ),
    ],
)
def test_an_old_python_leads_to_an_image_or_is_said_to_have_none(
    board: str, hint: str, tmp_path: Path, station: Workstation
) -> None:
    with pytest.raises(RolloutError, match="gate cannot take the keeper: Python is ") as caught:
        provision_tree(board, tmp_path, station)
    assert caught.value.hint.startswith(hint)
