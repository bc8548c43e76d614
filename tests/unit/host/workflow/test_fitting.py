"""Asking devices whether a release fits: every outcome is a value, and nothing is sent."""

from __future__ import annotations

import dataclasses
import re
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from edgekit.errors import InputError, NothingSelected, RolloutError, Unreachable
from edgekit.host.release.folder import open_release
from edgekit.host.workflow.fitting import JudgedRelease, ask_devices, check_fits, judged_release
from edgekit.schema.message import to_message
from edgekit.schema.telemetry import BoardTelemetry, ClockRate
from edgekit.sent.facts.report import facts as probe
from tests.fakes.boards.tree import build_board
from tests.fakes.devices import FactsExecutor, access_to
from tests.fakes.eventually import PATIENCE_S
from tests.fakes.keeper_link import STATUS
from tests.fakes.notes import Notes
from tests.fakes.profiles import measured_release
from tests.fakes.releases import make_release, write_release
from tests.fakes.scripted import ScriptedExecutor
from tests.fakes.workstations import workstation_in

RELEASE = make_release()
JUDGED = JudgedRelease(manifest=RELEASE.manifest)


@pytest.fixture(scope="module")
def facts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What a device tells that the release fits."""
    raw = probe(str(build_board("virt-arm64", tmp_path_factory.mktemp("board") / "root")), "/var/lib")
    python = raw["python"] | {"version": "3.11.2"}
    return raw | {"arch": "x86_64", "python": python, "disk_free_bytes": 8 << 30, "uid": 0, "psi": True}


@pytest.fixture
def release(tmp_path: Path) -> Path:
    write_release(RELEASE, tmp_path / "release")
    return tmp_path / "release"


def clock_now(facts: dict[str, Any]) -> dict[str, Any]:
    return facts | {"clock_s": time.time()}


def test_each_device_gets_a_verdict_of_its_own(facts: dict[str, Any], release: Path, tmp_path: Path) -> None:
    good, old = FactsExecutor(clock_now(facts)), FactsExecutor(clock_now(facts) | {"arch": "armv7l"})
    executors = {
        "good": good,
        "old": old,
        "late": FactsExecutor(clock_now(facts) | {"clock_s": 0.0}),
        "gone": Unreachable("gone does not answer", hint="look"),
        "bare": ScriptedExecutor(returncode=127),
    }
    notes = Notes()
    found = ask_devices(release, [*executors, "good"], access_to(executors), workstation_in(tmp_path / "home", notes))
    assert notes.steps == ["asking 5 devices"]
    by_name = {one.device: one for one in found.devices}
    assert list(by_name) == list(executors), "in the order in which they were named, each once"
    assert by_name["good"].fits and not by_name["good"].findings
    assert [item.subject for item in by_name["old"].findings] == ["the architecture"]
    assert by_name["late"].fits and [item.severity for item in by_name["late"].findings] == ["warn"]
    assert by_name["gone"].unreachable == "gone does not answer"
    assert by_name["bare"].fault == "root@board has no python3: install Python 3.10 or newer there"
    assert (found.refused, found.unknown) == (True, True)
    assert (good.closed, old.closed, len(good.asked)) == (1, 1, 1)
    assert (found.digest, found.application) == (RELEASE.digest, RELEASE.manifest.application)


def test_devices_are_asked_at_the_same_time(facts: dict[str, Any], release: Path) -> None:
    together = threading.Barrier(8)
    executors = {
        f"gate-{n}": FactsExecutor(clock_now(facts), lambda: together.wait(PATIENCE_S) and None) for n in range(8)
    }
    found = ask_devices(release, list(executors), access_to(executors), workstation_in(release / "home"))
    assert [one.fits for one in found.devices] == [True] * 8
    assert not found.refused and not found.unknown


def test_a_name_that_is_none_ends_it_before_anybody_is_asked(facts: dict[str, Any], release: Path) -> None:
    board = FactsExecutor(facts)
    with pytest.raises(NothingSelected):
        ask_devices(release, ["gate", "gaet"], access_to({"gate": board}), workstation_in(release / "home"))
    with pytest.raises(InputError, match="holds no release"):
        ask_devices(release / "none", ["gate"], access_to({"gate": board}), workstation_in(release / "home"))
    assert board.asked == []


def test_deploying_refuses_with_every_reason_and_shows_warnings(facts: dict[str, Any], tmp_path: Path) -> None:
    access, notes = access_to({"gate": Unreachable("never", hint="asked")}), Notes()
    station = workstation_in(tmp_path / "home", notes)
    device = access.find("gate")
    check_fits(device, FactsExecutor(clock_now(facts)), JUDGED, STATUS, station)
    assert notes.notes == []
    check_fits(device, FactsExecutor(facts | {"clock_s": 0.0}), JUDGED, STATUS, station)
    assert notes.notes[0].startswith("warning: the clock is ")
    with pytest.raises(RolloutError, match="gate cannot run this release: the architecture is armv7l") as one:
        check_fits(device, FactsExecutor(clock_now(facts) | {"arch": "armv7l"}), JUDGED, STATUS, station)
    assert one.value.details == ""
    wrong = clock_now(facts) | {"arch": "armv7l", "ssh_keygen": False}
    with pytest.raises(RolloutError, match="2 things do not fit") as both:
        check_fits(device, FactsExecutor(wrong), JUDGED, STATUS, station)
    assert both.value.details.count("\n") == 1
    assert "edgekit doctor gate RELEASE" in both.value.hint


@pytest.mark.parametrize(
    ("board", "kind"),
    [
        ("rk3576-flipper-trixie", "an RK3576"),
        ("rk3568-nanopi-r5s-debian12", "an RK3568"),
        ("xavier-nx-jp46", "a Jetson Xavier"),
    ],
)
def test_a_release_for_an_rk3588_on_a_stranger_is_told_what_that_is(board: str, kind: str, tmp_path: Path) -> None:
    """In `deploy --plan` and in `deploy`, although the release has no engine that could tell."""
    raw = probe(str(build_board(board, tmp_path / "root")), "/var/lib") | {"disk_free_bytes": 8 << 30}
    manifest = dataclasses.replace(RELEASE.manifest, target="rk3588-debian12", engines=())
    write_release(
        dataclasses.replace(RELEASE, manifest=manifest, manifest_json=to_message(manifest)), tmp_path / "release"
    )
    notes = Notes()
    station = workstation_in(tmp_path / "home", notes)
    access = access_to({"gate": FactsExecutor(clock_now(raw))})
    (fit,) = ask_devices(tmp_path / "release", ["gate"], access, station).devices
    told = next(item for item in fit.findings if item.subject == "the board")
    assert (told.found, told.needed) == (kind, "rk3588-debian12") and told.cure
    with pytest.raises(RolloutError, match="gate cannot run this release"):
        check_fits(
            access.find("gate"), FactsExecutor(clock_now(raw)), JudgedRelease(manifest=manifest), STATUS, station
        )
    assert any(note.startswith(f"warning: the board is {kind}") for note in notes.notes)


def test_a_release_that_was_measured_in_another_state_of_the_board_fits_with_warnings(
    facts: dict[str, Any], tmp_path: Path
) -> None:
    """In `deploy --plan` and in `deploy`, by the profile that it was built with."""
    raw = clock_now(facts) | {"accelerators": [{"kind": "tensorrt", "power_mode": "25W"}]}
    then, now = (ClockRate(clock="cpu0", hertz=1, limit_hertz=limit) for limit in (2_000_000_000, 1_000_000_000))
    write_release(measured_release("15W", (then,)), tmp_path / "release")
    access, notes = access_to({"gate": FactsExecutor(raw)}), Notes()
    station = workstation_in(tmp_path / "home", notes)
    (fit,) = ask_devices(tmp_path / "release", ["gate"], access, station).devices
    assert fit.fits and [(one.severity, one.subject) for one in fit.findings] == [("warn", "the power mode")]
    release = judged_release(open_release(tmp_path / "release"))
    status = dataclasses.replace(STATUS, board=BoardTelemetry(clocks=(now,)))
    check_fits(access.find("gate"), FactsExecutor(raw), release, status, station)
    told = [note.split(" is ")[0] for note in notes.notes]
    assert told == ["warning: the power mode", "warning: the limit of clock cpu0"]


def test_a_profile_that_this_edgekit_cannot_read_keeps_nobody_from_deploying(tmp_path: Path) -> None:
    write_release(make_release(extra={"profile.json": b'{"format": 99}'}), tmp_path / "newer")
    assert judged_release(open_release(tmp_path / "newer")).profile is None


def test_a_mistake_in_a_target_of_ones_own_keeps_nobody_from_deploying(
    facts: dict[str, Any], release: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "targets").mkdir()
    (tmp_path / "targets/box.toml").write_text("name = 3\n")
    notes = Notes()
    station = workstation_in(tmp_path / "home", notes)
    found = ask_devices(release, ["gate"], access_to({"gate": FactsExecutor(clock_now(facts))}), station)
    assert found.devices[0].fits
    assert any(note.startswith("warning: ") and "box.toml: name: " in note for note in notes.notes)


@pytest.mark.parametrize(
    "lie",
    [
        {"memory_bytes": 10**400},
        {"disk_free_bytes": -1},
        {"disk_free_bytes": 10**400},
        {"clock_s": 1e300},
        {"clock_s": float("nan")},
        {"cpus_online": [10**400]},
        {"cpus_online": [0] * 5000},
        {"gpu_max_hz": 10**400},
        {"uid": -1},
        {"page_bytes": 10**400},
    ],
    ids=lambda lie: f"{next(iter(lie))} {str(lie)[-12:]}",
)
def test_a_device_whose_facts_cannot_be_stops_no_other(
    lie: dict[str, Any], facts: dict[str, Any], release: Path, tmp_path: Path
) -> None:
    executors = {"liar": FactsExecutor(clock_now(facts) | lie), "good": FactsExecutor(clock_now(facts))}
    found = ask_devices(release, list(executors), access_to(executors), workstation_in(tmp_path / "home", Notes()))
    liar, good = found.devices
    assert re.match(f"facts of .*: {next(iter(lie))}", liar.fault) and not liar.fits
    assert good.fits
