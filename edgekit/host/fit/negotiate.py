"""Joins what a release requires with what a device has, before a byte moves. Pure: every reason, each with its cure."""

from __future__ import annotations

from collections.abc import Iterator

from edgekit.host.fit.finding import Finding, refuse, warn
from edgekit.schema.board import OLDEST_PYTHON, reserve_bytes
from edgekit.schema.facts import DeviceFacts
from edgekit.schema.manifest import Requires
from edgekit.schema.units import format_bytes, format_cpus, version_tuple

_MAX_SKEW_S = 300.0


def judge_keeper(facts: DeviceFacts, *, systemd: bool, clock_s: float, newer_python: str) -> tuple[Finding, ...]:
    """What the keeper itself needs.

    Args:
        facts: the device.
        systemd: whether the keeper shall be a systemd service.
        clock_s: the host's clock now, to compare: signatures have validity times.
        newer_python: where such a board gets a newer Python, if its own is too old.
    """
    python = version_tuple(facts.python.version)
    skew = facts.clock_s - clock_s
    checks = (
        refuse(python >= OLDEST_PYTHON, "Python", facts.python.version, "3.10 or newer", newer_python),
        refuse(facts.ssh_keygen, "ssh-keygen", "", "", "apt-get install openssh-client"),
        refuse(
            not systemd or bool(facts.systemd),
            "systemd",
            facts.systemd,
            "",
            'use an image with systemd, or service = "process" in fleet.toml',
        ),
        warn(
            abs(skew) <= _MAX_SKEW_S,
            "the clock",
            f"{abs(skew):.0f} s {'ahead' if skew > 0 else 'behind'}",
            "within 5 minutes of this machine's",
            "set it, or run a time service: signatures have validity times",
        ),
    )
    return tuple(finding for finding in checks if finding)


def judge_cgroup(facts: DeviceFacts) -> tuple[Finding, ...]:
    """What keeps the limits of any release from being enforced: no reason to do without the keeper."""
    there, needed = f"version {facts.cgroup_version}" if facts.cgroup_version else "", "version 2, to enforce limits"
    found = warn(facts.cgroup_version == 2, "cgroup", there, needed, _cgroup_2(facts))
    return (found,) if found else ()


def judge_release(
    requires: Requires, facts: DeviceFacts, *, rebuild: str, present_bytes: int = 0
) -> tuple[Finding, ...]:
    """What a release needs of a device, beside the keeper.

    Args:
        requires: from the release's manifest.
        facts: the device.
        rebuild: what cures a release that is built for another system.
        present_bytes: how much of the release the device has already.
    """
    checks = (
        *_system(requires, facts, rebuild),
        *_cpus(requires, facts),
        *_cgroup(requires, facts),
        *_room(requires, facts, present_bytes),
    )
    return tuple(finding for finding in checks if finding)


def _system(requires: Requires, facts: DeviceFacts, rebuild: str) -> Iterator[Finding | None]:
    """What compiled code and packages are for."""
    python = ".".join(facts.python.version.split(".")[:2])
    libc = requires.libc_version
    newer = version_tuple(facts.libc_version) >= version_tuple(libc)
    yield refuse(facts.arch == requires.arch, "the architecture", facts.arch, requires.arch, rebuild)
    yield refuse(newer, "libc", facts.libc_version, f"{libc} or newer", rebuild)
    yield refuse(python == requires.python, "Python", python, requires.python, rebuild)


def _cpus(requires: Requires, facts: DeviceFacts) -> Iterator[Finding | None]:
    needed = format_cpus(requires.cpus)
    absent = set(requires.cpus) - set(facts.cpus_present)
    off = set(requires.cpus) - set(facts.cpus_online) - absent
    yield refuse(
        not absent,
        "the range of CPUs",
        format_cpus(facts.cpus_present),
        needed,
        "set limits.cpus for this board, or build for the target that edgekit target probe writes",
    )
    yield refuse(
        not off,
        "the range of CPUs that are on",
        format_cpus(facts.cpus_online),
        needed,
        "take a power mode that has them on (Jetson: sudo nvpmodel -q names it), or set limits.cpus",
    )


def _cgroup(requires: Requires, facts: DeviceFacts) -> Iterator[Finding | None]:
    """What enforces limits; nothing is needed where they are advisory."""
    missing = [name for name in requires.cgroup_controllers if name not in facts.cgroup_controllers]
    yield refuse(
        not requires.cgroup_controllers or facts.cgroup_version == 2,
        "cgroup",
        f"version {facts.cgroup_version}" if facts.cgroup_version else "",
        "version 2",
        f'{_cgroup_2(facts)}, or write limits = "advisory"',
    )
    yield refuse(
        facts.cgroup_version != 2 or not missing,
        "the kernel's cgroup controllers",
        " ".join(facts.cgroup_controllers),
        " ".join(missing),
        'boot a kernel with them (cgroup_enable=memory), or write limits = "advisory"',
    )


def _cgroup_2(facts: DeviceFacts) -> str:
    """How to boot a board with cgroup version 2."""
    if not facts.cgroup_1_by:
        return "boot with systemd.unified_cgroup_hierarchy=1"
    return f"take systemd.unified_cgroup_hierarchy=0 out of {facts.cgroup_1_by}, and reboot"


def _room(requires: Requires, facts: DeviceFacts, present_bytes: int) -> Iterator[Finding | None]:
    """Memory and disk, and whether the kernel tells when memory is short."""
    disk = max(0, requires.disk_bytes - present_bytes)
    reserve = reserve_bytes(facts.memory_bytes) if requires.cgroup_controllers else 0
    less = f" less {format_bytes(reserve)} for the system" if reserve else ""
    yield refuse(
        facts.memory_bytes - reserve >= requires.memory_bytes,
        "memory",
        f"{format_bytes(facts.memory_bytes)}{less}",
        format_bytes(requires.memory_bytes),
        "lower limits.memory_max, or take a larger board",
    )
    yield refuse(
        facts.disk_free_bytes >= disk,
        "free disk",
        format_bytes(facts.disk_free_bytes),
        format_bytes(disk),
        "free some space below /var/lib/edgekit",
    )
    yield warn(facts.psi or not requires.cgroup_controllers, "PSI", "", "", "boot with psi=1 to see memory pressure")


def judge_login(facts: DeviceFacts, *, systemd: bool) -> tuple[Finding, ...]:
    """What provisioning needs of the login."""
    found = warn(
        not systemd or facts.uid == 0,
        "the login",
        f"user id {facts.uid}",
        "root, or sudo without a password, to provision",
        "write root@HOST, or give this user NOPASSWD in sudoers",
    )
    return (found,) if found else ()


def judge_board(kind: str, needed: str, *, advice: str) -> tuple[Finding, ...]:
    """Whether a device is of the board type that is needed: no reason to refuse, for the rest is judged by itself.

    Args:
        kind: the target that it is like, or what it is instead; empty where that is not known.
        needed: the target that a release was built for, of which it is not; empty without a release.
        advice: what can be done with such a device.
    """
    found = warn(not kind, "the board", kind, needed or "a Jetson Orin or an RK3588", advice)
    return (found,) if found else ()
