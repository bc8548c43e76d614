"""The keeper's unit gives up what it does not need, and nothing that it does."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from edgekit.device.keeper.process.isolation import SLICES
from edgekit.host.provision.desired import _UNIT_TEXT
from tests.fakes.eventually import PATIENCE_S

LINES = dict(line.split("=", 1) for line in _UNIT_TEXT.splitlines() if "=" in line)
WORST = 5.0
"""Of systemd's score, 0 to 10; the unit had 9.6 without."""


@pytest.mark.parametrize(
    "name", ["NoNewPrivileges", "ProtectKernelModules", "ProtectKernelLogs", "LockPersonality", "RestrictSUIDSGID"]
)
def test_what_nobody_needs_is_given_up(name: str) -> None:
    assert LINES[name] == "yes"


def test_capabilities_are_those_of_its_duties() -> None:
    kept = set(LINES["CapabilityBoundingSet"].split())
    assert {"CAP_SYS_ADMIN", "CAP_SETUID", "CAP_SETPCAP", "CAP_KILL", "CAP_CHOWN", "CAP_SYS_CHROOT"} <= kept
    others = {"NET_ADMIN", "NET_RAW", "SYS_MODULE", "SYS_RAWIO", "SYS_TIME", "SYS_BOOT", "MKNOD", "BPF", "SYSLOG"}
    assert not kept & {f"CAP_{name}" for name in others}


def test_disks_are_for_reading_but_for_its_own_folders() -> None:
    assert LINES["ProtectSystem"] == "strict"
    written = [path.lstrip("-") for path in LINES["ReadWritePaths"].split()]
    assert set(written) == {"/var/lib/edgekit", "/etc/edgekit", "/usr/lib/edgekit"}
    assert LINES["RuntimeDirectory"] == "edgekit"


def test_the_views_that_workers_get_can_be_made() -> None:
    assert LINES["RestrictNamespaces"].split() == ["mnt", "net", "ipc"]
    refused = LINES["SystemCallFilter"].lstrip("~").split()
    assert not {"@mount", "@privileged", "@setuid", "@resources"} & set(refused)
    assert "@clock" in refused


@pytest.mark.parametrize("name", ["PrivateTmp", "PrivateDevices", "ProtectClock", "DeviceAllow", "RestrictRealtime"])
def test_cameras_and_lanes_are_left_what_they_need(name: str) -> None:
    assert name not in LINES


def test_it_is_not_among_those_whom_applications_keep_off_their_cpus() -> None:
    assert (LINES["Slice"], LINES["Delegate"]) == ("edgekit.slice", "yes")
    assert LINES["Slice"] not in SLICES


def test_systemd_itself_finds_it_less_exposed(tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("no systemd-analyze here")
    unit = tmp_path / "edgekitd.service"
    unit.write_text(_UNIT_TEXT)
    argv = ["systemd-analyze", "security", "--offline=true", str(unit)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    found = re.search(r"exposure level for \S+: ([0-9.]+)", done.stdout)
    if found is None:
        pytest.skip(f"this systemd-analyze cannot judge a file: {done.stderr.strip()}")
    assert float(found[1]) < WORST, done.stdout
