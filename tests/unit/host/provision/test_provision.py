"""Provisioning: the plan for every state that a device can be in, and the script that looks and changes."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from edgekit.errors import InputError, LockHeld, RolloutError
from edgekit.executor.local import LocalExecutor
from edgekit.host.provision.desired import KeeperInstall
from edgekit.host.provision.device import apply_provision, check_ready, look
from edgekit.host.provision.plan import DeviceChange, plan_provision
from edgekit.schema.fleet import Device

SIGNERS = b"# mine\nann@desk ssh-ed25519 AAAA\nbob@desk ssh-ed25519 BBBB\n"
BOARD = KeeperInstall(
    device=Device(name="gate-7", address="root@gate-7"),
    keeper=b"keeper",
    allowed_signers=SIGNERS,
    identity=b'{"name": "gate-7"}\n',
)
TRUST = "/etc/edgekit/trust.json"
SHA = hashlib.sha256(b"keeper").hexdigest()
COPY = f"edgekitd-{SHA[:12]}.pyz"
LIB = "/usr/lib/edgekit"
NONE = {"kind": "none"}
UNIT = "/etc/systemd/system/edgekitd.service"
TRIAL_UNIT = "/etc/systemd/system/edgekitd-trial.service"
PATHS = (
    LIB,
    "/etc/edgekit",
    "/var/lib/edgekit",
    f"{LIB}/{COPY}",
    f"{LIB}/keeper-guard.py",
    "/etc/edgekit/allowed_signers",
    "/etc/edgekit/device.json",
    TRIAL_UNIT,
    UNIT,
    f"{LIB}/edgekitd.pyz",
)
BARE: dict[str, Any] = {
    "uid": 0,
    "login": {"name": "root", "groups": []},
    "python": [3, 11],
    "systemd": True,
    "sudo": "root",
    "ssh_keygen": True,
    "paths": dict.fromkeys(PATHS, NONE),
    "texts": {"/etc/edgekit/allowed_signers": "", TRUST: ""},
    "trial": {},
    "groups": {"edgekit": False},
    "users": {"edgekit-worker": {"there": False, "groups": []}},
    "optional_groups": ["video"],
    "service": "not-found inactive",
    "trial_service": "not-found inactive",
    "keeper": "",
}
WHOLE_PLAN = [
    "make group edgekit",
    "make user edgekit-worker",
    "let edgekit-worker into group video",
    f"make folder {LIB}",
    "make folder /etc/edgekit",
    "make folder /var/lib/edgekit",
    f"install {LIB}/{COPY}",
    f"install {LIB}/keeper-guard.py",
    "install /etc/edgekit/allowed_signers: releases by ann@desk, bob@desk",
    "install /etc/edgekit/device.json",
    f"install {TRIAL_UNIT}",
    f"install {UNIT}",
    f"switch {LIB}/edgekitd.pyz to {COPY}",
    "tell systemd of the service",
    "enable edgekitd.service",
    "enable edgekitd-trial.service",
    "start edgekitd.service",
]


def texts(changes: tuple[DeviceChange, ...]) -> list[str]:
    return [change.what for change in changes]


def provisioned() -> dict[str, Any]:
    """What `look` finds after the whole plan was carried out."""
    present = deepcopy(BARE)
    for change in plan_provision(BOARD, BARE):
        step = change.step
        match step["do"]:
            case "folder":
                present["paths"][step["path"]] = {"kind": "folder", "mode": step["mode"], "uid": 0, "names": [COPY]}
            case "file":
                digest = hashlib.sha256(base64.b64decode(step["content"])).hexdigest()
                present["paths"][step["path"]] = {"kind": "file", "mode": step["mode"], "uid": 0, "sha256": digest}
            case "link":
                present["paths"][step["path"]] = {"kind": "link", "to": step["to"]}
    present["groups"] = {"edgekit": True}
    present["users"] = {"edgekit-worker": {"there": True, "groups": ["video"]}}
    return present | {"service": "enabled active", "trial_service": "enabled inactive", "keeper": SHA}


def changed(**fields: Any) -> list[str]:
    return texts(plan_provision(BOARD, provisioned() | fields))


def test_a_bare_board_gets_everything_in_order() -> None:
    assert texts(plan_provision(BOARD, BARE)) == WHOLE_PLAN


def test_twice_changes_nothing() -> None:
    assert changed() == []


def test_a_trust_file_is_installed_once_and_then_replaced_by_request_alone() -> None:
    """A board's own is perhaps newer than this machine's: it follows by its chain of signatures."""
    desired = replace(BOARD, trust=b"version 1")
    present = provisioned()
    present["paths"][TRUST] = NONE
    assert texts(plan_provision(desired, present)) == [f"install {TRUST}"]
    for sha256 in ("ab" * 32, hashlib.sha256(b"version 1").hexdigest()):
        present["paths"][TRUST] = {"kind": "file", "mode": 0o644, "uid": 0, "sha256": sha256}
        assert texts(plan_provision(desired, present)) == []
        forced = [f"replace {TRUST}"] if sha256 == "ab" * 32 else []
        assert texts(plan_provision(replace(desired, replace_trust=True), present)) == forced


TRIAL = [
    "restart edgekitd.service",
    "start edgekitd-trial.service",
    "try the new keeper (the applications restart with it)",
]


def with_old(*, link: str = "edgekitd-old.pyz", **fields: Any) -> dict[str, Any]:
    """A device with an older keeper."""
    present = provisioned() | fields
    present["paths"][LIB]["names"] = ["edgekitd-old.pyz", "edgekitd-older.pyz", "edgekitd.pyz", "keeper-guard.py"]
    present["paths"][f"{LIB}/edgekitd.pyz"]["to"] = link
    return present


def test_a_new_keeper_is_tried_with_the_old_copy_as_the_way_back_and_older_ones_go() -> None:
    present = with_old(keeper="0" * 64)
    present["paths"][f"{LIB}/{COPY}"] = NONE
    plan = plan_provision(BOARD, present)
    assert texts(plan) == [
        f"install {LIB}/{COPY}",
        "see that the device's Python can read the new keeper",
        "save the way back to edgekitd-old.pyz",
        f"switch {LIB}/edgekitd.pyz to {COPY}",
        f"remove {LIB}/edgekitd-older.pyz",
        *TRIAL,
    ]
    (arm,) = [change.step for change in plan if change.step["do"] == "arm"]
    assert (arm["old"], arm["new"], arm["unit"]) == ("edgekitd-old.pyz", COPY, UNIT)


def test_another_service_file_is_tried_as_well_and_replaced_once_the_way_back_is_saved() -> None:
    present = provisioned()
    present["paths"][UNIT] |= {"sha256": "0" * 64}
    assert texts(plan_provision(BOARD, present)) == [
        "see that the device's Python can read the new keeper",
        f"save the way back to {COPY}",
        f"replace {UNIT}",
        "tell systemd of the service",
        *TRIAL,
    ]


def test_a_trial_that_broke_off_is_begun_again_and_its_way_back_stays() -> None:
    """The link leads to the new copy already, and nobody knows whether that is any good."""
    present = with_old(link=COPY, keeper="1" * 64, trial={"old": "edgekitd-old.pyz", "watched": False})
    assert "save the way back to edgekitd-old.pyz" in texts(plan_provision(BOARD, present))
    assert not any("edgekitd-old.pyz" in what for what in texts(plan_provision(BOARD, present)) if "remove" in what)
    with pytest.raises(LockHeld, match="a new keeper is on trial on gate-7") as caught:
        check_ready(BOARD, with_old(trial={"old": "edgekitd-old.pyz", "watched": True}), "gate-7")
    assert "edgekit provision gate-7" in caught.value.hint


def test_a_link_that_leads_nowhere_is_no_way_back() -> None:
    present = with_old(link="edgekitd-gone.pyz", keeper="")
    assert not any("way back" in what or "try" in what for what in texts(plan_provision(BOARD, present)))


def test_a_keeper_that_was_switched_but_never_restarted_is_tried() -> None:
    assert changed(keeper="0" * 64)[-3:] == TRIAL
    assert changed(keeper="unknown") == []
    assert changed(service="enabled failed", keeper="") == ["start edgekitd.service"]
    assert changed(service="disabled active") == ["enable edgekitd.service"]


@pytest.mark.parametrize("found", [{"mode": 0o666}, {"uid": 1000}, {"sha256": "0" * 64}, {"kind": "none"}])
def test_signers_that_differ_are_replaced_without_a_restart(found: Mapping[str, Any]) -> None:
    present = provisioned()
    present["paths"]["/etc/edgekit/allowed_signers"] |= found
    if found.get("kind"):
        present["paths"]["/etc/edgekit/allowed_signers"] = NONE
    (what,) = texts(plan_provision(BOARD, present))
    assert what.endswith("/etc/edgekit/allowed_signers: releases by ann@desk, bob@desk")


def test_whoever_logs_in_without_being_root_may_speak_with_the_keeper() -> None:
    (what,) = changed(uid=1000, login={"name": "ann", "groups": ["sudo"]})
    assert what.startswith("let ann into group edgekit")
    assert changed(uid=1000, login={"name": "ann", "groups": ["edgekit"]}) == []


def test_a_board_that_cannot_take_it_is_told_everything() -> None:
    present = BARE | {"ssh_keygen": False, "systemd": False}
    with pytest.raises(RolloutError) as caught:
        check_ready(BOARD, present, "gate-7")
    for word in ("install openssh-client", "systemd does not run"):
        assert word in caught.value.message
    check_ready(BOARD, BARE, "gate-7")


@pytest.mark.parametrize(("sudo", "words"), [("none", "it has no sudo"), ("password", "asks for a password")])
def test_a_login_that_cannot_become_root_is_told_before_anything_changes(sudo: str, words: str) -> None:
    with pytest.raises(RolloutError, match=words) as caught:
        check_ready(BOARD, BARE | {"sudo": sudo}, "gate-7")
    assert "log in as root" in caught.value.message
    check_ready(BOARD, BARE | {"sudo": "yes"}, "gate-7")


@pytest.mark.parametrize(("prefix", "service"), [("/", "process"), ("/opt/ek", "systemd")])
def test_a_prefix_that_does_not_fit_the_service(prefix: str, service: Any) -> None:
    device = Device(name="gate-7", address="local", prefix=prefix, service=service)
    with pytest.raises(InputError, match="prefix"):
        check_ready(KeeperInstall(device=device, keeper=b"k", allowed_signers=b"", identity=b"{}"), BARE, "gate-7")


def test_the_script_looks_and_changes_on_a_real_folder(tmp_path: Path) -> None:
    device = Device(name="here", address="local", prefix=str(tmp_path), service="process")
    desired = KeeperInstall(device=device, keeper=b"keeper", allowed_signers=SIGNERS, identity=b"{}")
    executor = LocalExecutor()
    present = look(desired, executor)
    assert present["keeper"] == ""
    changes = [change for change in plan_provision(desired, present) if change.step["do"] != "command"]
    apply_provision(desired, executor, tuple(changes), holder="ann", sudo=False)
    assert (tmp_path / "usr/lib/edgekit/edgekitd.pyz").read_bytes() == b"keeper"
    assert (tmp_path / "etc/edgekit/allowed_signers").stat().st_mode & 0o777 == 0o644
    assert (tmp_path / "var/lib/edgekit").stat().st_mode & 0o777 == 0o700
    assert texts(plan_provision(desired, look(desired, executor))) == ["start the keeper"]
    assert not list(tmp_path.rglob("*.new"))


def test_a_step_that_fails_is_named_and_the_next_run_does_the_rest(tmp_path: Path) -> None:
    device = Device(name="here", address="local", prefix=str(tmp_path), service="process")
    desired = KeeperInstall(device=device, keeper=b"keeper", allowed_signers=SIGNERS, identity=b"{}")
    good = DeviceChange(what="make folder a", step={"do": "folder", "path": str(tmp_path / "a"), "mode": 0o700})
    bad = DeviceChange(what="frobnicate", step={"do": "command", "argv": ["sh", "-c", "echo no such frob >&2; exit 1"]})
    never = DeviceChange(what="make folder b", step={"do": "folder", "path": str(tmp_path / "b"), "mode": 0o700})
    with pytest.raises(RolloutError, match=r"could not frobnicate: .*no such frob") as caught:
        apply_provision(desired, LocalExecutor(), (good, bad, never), holder="ann", sudo=False)
    assert "edgekit provision here" in caught.value.hint
    assert (tmp_path / "a").is_dir() and not (tmp_path / "b").exists()
