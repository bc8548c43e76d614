"""What is missing on a device: without a release, with one, and with one for another board."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

import edgekit
from edgekit.cli.doctor import confinement_line
from edgekit.device.keeper.process.cgroup import Limiter
from edgekit.device.keeper.process.confinement.confined import confinement_here
from edgekit.errors import InputError, Unreachable
from edgekit.executor import Stream
from edgekit.host.catalogue.targets import list_targets
from edgekit.host.settings import settings_from
from edgekit.host.workflow.doctor import confinement_of, diagnose, diagnose_facts
from edgekit.schema.facts import DeviceFacts
from edgekit.schema.fleet import Device
from edgekit.schema.manifest import EngineEntry
from edgekit.schema.message import to_message
from edgekit.schema.reader import from_raw, to_raw
from edgekit.schema.worker_status import Confinement
from edgekit.sent.facts.report import facts as probe
from tests.fakes.boards.tree import build_board
from tests.fakes.devices import FactsExecutor, access_to
from tests.fakes.keeper_link import APPLICATION, STATUS, WORKER
from tests.fakes.notes import Notes
from tests.fakes.profiles import measured_release, profile
from tests.fakes.releases import make_release, write_release
from tests.fakes.workstations import workstation_in

TARGETS = list_targets(settings_from({}, Path(edgekit.__file__).parent))
RELEASE = make_release()
MANIFEST = dataclasses.replace(RELEASE.manifest, target="rk3588-debian12")
DEVICE = Device(name="gate", address="root@gate")


@pytest.fixture(scope="module")
def rock(tmp_path_factory: pytest.TempPathFactory) -> DeviceFacts:
    raw = probe(str(build_board("rock-5b", tmp_path_factory.mktemp("board") / "root")), "/var/lib")
    return from_raw(DeviceFacts, raw | {"disk_free_bytes": 8 << 30, "uid": 0, "clock_s": 1000.0}, "facts")


def test_a_board_that_has_all_is_told_by_its_target(rock: DeviceFacts) -> None:
    found = diagnose_facts(DEVICE, rock, None, TARGETS, now_s=1000.0)
    assert (found.device, found.title, found.target) == ("gate", "Radxa ROCK 5 Model B", "rk3588-debian12")
    assert (found.findings, found.engines, found.refused) == ((), (), False)


def test_what_the_keeper_needs_is_looked_for_without_a_release(rock: DeviceFacts) -> None:
    poor = dataclasses.replace(rock, ssh_keygen=False, uid=1000)
    found = diagnose_facts(DEVICE, poor, None, TARGETS, now_s=1000.0)
    assert [item.subject for item in found.findings] == ["ssh-keygen", "the login"]
    assert found.refused
    process = dataclasses.replace(DEVICE, service="process", prefix="/opt/ek")
    assert diagnose_facts(process, dataclasses.replace(rock, systemd=""), None, TARGETS, now_s=1000.0).findings == ()


class NoKeeper(FactsExecutor):
    """Nobody tells its clocks."""

    def open(self, argv: Sequence[str]) -> Stream:
        raise Unreachable("no keeper", hint="provision it")


def test_another_state_than_the_profile_s_is_told_and_refuses_nothing(rock: DeviceFacts, tmp_path: Path) -> None:
    gpu = dataclasses.replace(rock.accelerators[0], power_mode="25W")
    facts = dataclasses.replace(rock, accelerators=(gpu,))
    file = tmp_path / "p.json"
    file.write_bytes(to_message(dataclasses.replace(profile({}), power_mode="15W")))
    access = access_to({"gate": NoKeeper(to_raw(facts) | {"clock_s": time.time()})})
    found = diagnose("gate", None, access, workstation_in(tmp_path), file)
    (told,) = [item for item in found.findings if item.subject == "the power mode"]
    assert (told.severity, told.found) == ("warn", "25W") and "15W, in which line was measured" in told.needed
    with pytest.raises(InputError, match="cannot be read"):
        diagnose("gate", None, access, workstation_in(tmp_path), tmp_path / "gone.json")


def test_without_one_the_profile_that_the_release_was_built_with_counts(rock: DeviceFacts, tmp_path: Path) -> None:
    gpu = dataclasses.replace(rock.accelerators[0], power_mode="25W")
    raw = to_raw(dataclasses.replace(rock, accelerators=(gpu,))) | {"clock_s": time.time()}
    access = access_to({"gate": NoKeeper(raw)})
    for name, release in (("measured", measured_release("15W")), ("same", measured_release("25W")), ("plain", RELEASE)):
        write_release(release, tmp_path / name)
        found = diagnose("gate", tmp_path / name, access, workstation_in(tmp_path)).findings
        assert [item.severity for item in found if item.subject == "the power mode"] == ["warn"] * (name == "measured")


def test_what_workers_are_kept_from_is_what_the_keeper_says_and_what_a_worker_lacks() -> None:
    here = Confinement(lacks=("limits: no cgroups on this system",))
    worker = dataclasses.replace(
        WORKER, unconfined=("limits: no cgroups on this system", "system calls taken away: no")
    )
    runs = dataclasses.replace(APPLICATION, worker=worker)
    found = confinement_of(dataclasses.replace(STATUS, confinement=here, applications=(runs,)))
    assert found is not None
    assert confinement_line(found) == (
        "each worker is confined, but for limits: no cgroups on this system; system calls taken away: no; "
        "its folder is kept within work_max by watching it, and by the disk where that has project quotas"
    )
    assert confinement_of(STATUS) is None, "an older keeper does not tell"
    whole = confinement_line(Confinement())
    assert whole.startswith("each worker is confined: limits and devices by cgroup v2") and "but for" not in whole


def test_a_keeper_without_cgroups_and_users_says_so_before_any_worker_runs() -> None:
    found = confinement_here(Limiter(tree=None, note="no cgroups on this system: limits need cgroup v2"), None)
    assert found.lacks[:3] == (
        "limits: no cgroups on this system: limits need cgroup v2",
        "devices: no cgroup v2",
        "a user of its own: this keeper is not the system's",
    )


def test_an_engine_is_judged_by_itself_and_for_the_release(rock: DeviceFacts) -> None:
    engine = EngineEntry(
        name="parts", runner="rknn", path="e", model_sha256="0" * 64, facts={"platform": "rk3576", "format": "rknn 6"}
    )
    manifest = dataclasses.replace(MANIFEST, engines=(engine,))
    found = diagnose_facts(DEVICE, rock, manifest, TARGETS, now_s=1000.0)
    (verdict,) = found.engines
    assert not verdict.fits and set(verdict.findings) <= set(found.findings)


def test_a_fault_of_the_board_itself_is_told_once_and_refuses_only_what_it_breaks(rock: DeviceFacts) -> None:
    npu = dataclasses.replace(rock.accelerators[0], driver_version="0.9.3")
    bad = dataclasses.replace(rock, accelerators=(npu,), npu_link="renderD129")
    found = diagnose_facts(DEVICE, bad, None, TARGETS, now_s=1000.0)
    assert [(item.severity, item.subject) for item in found.findings] == [
        ("warn", "/dev/rknpu"),
        ("warn", "the rknpu driver"),
    ]
    engine = EngineEntry(
        name="parts", runner="rknn", path="e", model_sha256="0" * 64, facts={"platform": "rk3588", "format": "rknn 6"}
    )
    with_engine = diagnose_facts(DEVICE, bad, dataclasses.replace(MANIFEST, engines=(engine,)), TARGETS, now_s=1000.0)
    told = [(item.severity, item.subject) for item in with_engine.findings if item.subject == "the rknpu driver"]
    assert told == [("refuse", "the rknpu driver")]


def test_a_release_for_another_board_is_a_warning(rock: DeviceFacts) -> None:
    other = dataclasses.replace(MANIFEST, target="jetson-orin-nano-jp62")
    found = diagnose_facts(DEVICE, rock, other, TARGETS, now_s=1000.0)
    assert ("warn", "the board") in [(item.severity, item.subject) for item in found.findings]


def test_the_device_is_asked_once_and_let_go(rock: DeviceFacts, tmp_path: Path) -> None:
    raw = probe(str(build_board("rock-5b", tmp_path / "root")), "/var/lib")
    board, notes = NoKeeper(raw | {"clock_s": 0.0}), Notes()
    station = workstation_in(tmp_path / "home", notes)
    found = diagnose("gate", None, access_to({"gate": board}), station)
    assert found.title == rock.model and "the clock" in [item.subject for item in found.findings]
    assert (len(board.asked), board.closed, notes.steps) == (1, 1, ["gate: reading its facts"])
    with pytest.raises(InputError, match="holds no release"):
        diagnose("gate", tmp_path / "none", access_to({"gate": board}), station)
    assert len(board.asked) == 1


def test_the_2d_engine_is_told_where_a_worker_could_use_it(rock: DeviceFacts) -> None:
    assert diagnose_facts(DEVICE, rock, None, TARGETS, now_s=1000.0).rga == ""
    without_driver = dataclasses.replace(rock, librga="/usr/lib/librga.so 1.10.1_[0]")
    assert diagnose_facts(DEVICE, without_driver, None, TARGETS, now_s=1000.0).rga == ""
    whole = dataclasses.replace(without_driver, rga_driver=True)
    assert diagnose_facts(DEVICE, whole, None, TARGETS, now_s=1000.0).rga == "/usr/lib/librga.so 1.10.1_[0]"
