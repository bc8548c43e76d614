"""Joins what a release requires with what a device has, before a byte moves. Pure: every reason, each with its cure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from edgekit.schema.facts import DeviceFacts
from edgekit.schema.manifest import Requires
from edgekit.schema.units import format_bytes, format_cpus, version_tuple

_MAX_SKEW_S = 300.0
_MIN_PYTHON = (3, 10)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that does not fit."""

    severity: Literal["refuse", "warn"]
    subject: str
    found: str
    needed: str
    cure: str

    def __str__(self) -> str:
        """`libc is 2.31, needed is 2.36 or newer: ...`."""
        return f"{self.subject} is {self.found or 'not there'}, needed is {self.needed}: {self.cure}"


def judge_keeper(facts: DeviceFacts, *, systemd: bool, clock_s: float) -> tuple[Finding, ...]:
    """What the keeper itself needs.

    Args:
        facts: the device.
        systemd: whether the keeper shall be a systemd service.
        clock_s: the host's clock now, to compare: signatures have validity times.
    """
    python = version_tuple(facts.python.version)
    skew = facts.clock_s - clock_s
    checks = (
        _refuse(python >= _MIN_PYTHON, "Python", facts.python.version, "3.10 or newer", "install a newer python3"),
        _refuse(facts.ssh_keygen, "ssh-keygen", "", "there", "apt-get install openssh-client"),
        _refuse(
            not systemd or bool(facts.systemd),
            "systemd",
            facts.systemd,
            "there",
            'use an image with systemd, or service = "process" in fleet.toml',
        ),
        _warn(
            abs(skew) <= _MAX_SKEW_S,
            "the clock",
            f"{abs(skew):.0f} s {'ahead' if skew > 0 else 'behind'}",
            "within 5 minutes of this machine's",
            "set it, or run a time service: signatures have validity times",
        ),
    )
    return tuple(finding for finding in checks if finding)


def judge_release(requires: Requires, facts: DeviceFacts, *, present_bytes: int = 0) -> tuple[Finding, ...]:
    """What a release needs of a device, beside the keeper.

    Args:
        requires: from the release's manifest.
        facts: the device.
        present_bytes: how much of the release the device has already.
    """
    python = ".".join(facts.python.version.split(".")[:2])
    offline = set(requires.cpus) - set(facts.cpus_online)
    online = format_cpus(facts.cpus_online)
    missing = [name for name in requires.cgroup_controllers if name not in facts.cgroup_controllers]
    disk = max(0, requires.disk_bytes - present_bytes)
    rebuild = "build the release for this board: edgekit target probe writes its target"
    checks = (
        _refuse(facts.arch == requires.arch, "the architecture", facts.arch, requires.arch, rebuild),
        _refuse(
            version_tuple(facts.libc_version) >= version_tuple(requires.libc_version),
            "libc",
            facts.libc_version,
            f"{requires.libc_version} or newer",
            rebuild,
        ),
        _refuse(python == requires.python, "Python", python, requires.python, rebuild),
        _refuse(not offline, "CPUs online", online, format_cpus(requires.cpus), "set limits.cpus, or the power mode"),
        _refuse(
            not requires.cgroup_controllers or facts.cgroup_version == 2,
            "cgroup",
            f"version {facts.cgroup_version}" if facts.cgroup_version else "",
            "version 2",
            'boot with systemd.unified_cgroup_hierarchy=1, or write limits = "advisory"',
        ),
        _refuse(
            facts.cgroup_version != 2 or not missing,
            "the kernel's cgroup controllers",
            " ".join(facts.cgroup_controllers),
            " ".join(missing),
            'boot a kernel with them (cgroup_enable=memory), or write limits = "advisory"',
        ),
        _refuse(
            facts.memory_bytes >= requires.memory_bytes,
            "memory",
            format_bytes(facts.memory_bytes),
            format_bytes(requires.memory_bytes),
            "lower limits.memory_max, or take a larger board",
        ),
        _refuse(
            facts.disk_free_bytes >= disk,
            "free disk",
            format_bytes(facts.disk_free_bytes),
            format_bytes(disk),
            "free some space below /var/lib/edgekit",
        ),
        _warn(facts.psi or not requires.cgroup_controllers, "PSI", "", "on", "boot with psi=1 to see memory pressure"),
    )
    return tuple(finding for finding in checks if finding)


def _refuse(fits: bool, subject: str, found: str, needed: str, cure: str) -> Finding | None:
    return None if fits else Finding(severity="refuse", subject=subject, found=found, needed=needed, cure=cure)


def _warn(fits: bool, subject: str, found: str, needed: str, cure: str) -> Finding | None:
    return None if fits else Finding(severity="warn", subject=subject, found=found, needed=needed, cure=cure)
