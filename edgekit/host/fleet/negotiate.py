"""Joins what a release requires with what a device has, before a byte moves. Pure: every reason, each with its cure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from edgekit.schema.facts import DeviceFacts
from edgekit.schema.manifest import Requires
from edgekit.schema.target import Accelerator, Target
from edgekit.schema.units import format_bytes, format_cpus, version_tuple

_MAX_SKEW_S = 300.0
_MIN_PYTHON = (3, 10)
_MIN_RKNPU = (0, 9, 6)
"""Older drivers fail on cores 1 and 2. Source: airockchip/rknn-toolkit2#294."""
_RUNTIMES = {"tensorrt": "TensorRT", "rknn": "librknnrt", "onnxruntime": "ONNX Runtime"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that does not fit."""

    severity: Literal["refuse", "warn"]
    subject: str
    found: str
    needed: str
    """Empty where it is needed to be there at all."""
    cure: str

    def __str__(self) -> str:
        """`libc is 2.31, needed is 2.36 or newer: ...`, or `ssh-keygen is not there: ...`."""
        needed = f", needed is {self.needed}" if self.needed else ""
        return f"{self.subject} is {self.found or 'not there'}{needed}: {self.cure}"


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
        _refuse(facts.ssh_keygen, "ssh-keygen", "", "", "apt-get install openssh-client"),
        _refuse(
            not systemd or bool(facts.systemd),
            "systemd",
            facts.systemd,
            "",
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
    absent = set(requires.cpus) - set(facts.cpus_present)
    off = set(requires.cpus) - set(facts.cpus_online) - absent
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
        _refuse(
            not absent,
            "the range of CPUs",
            format_cpus(facts.cpus_present),
            format_cpus(requires.cpus),
            "set limits.cpus for this board, or build for the target that edgekit target probe writes",
        ),
        _refuse(
            not off,
            "the range of CPUs that are on",
            format_cpus(facts.cpus_online),
            format_cpus(requires.cpus),
            "take a power mode that has them on (Jetson: sudo nvpmodel -q names it), or set limits.cpus",
        ),
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
        _warn(facts.psi or not requires.cgroup_controllers, "PSI", "", "", "boot with psi=1 to see memory pressure"),
    )
    return tuple(finding for finding in checks if finding)


def judge_login(facts: DeviceFacts, *, systemd: bool) -> tuple[Finding, ...]:
    """What provisioning needs of the login."""
    found = _warn(
        not systemd or facts.uid == 0,
        "the login",
        f"user id {facts.uid}",
        "root, or sudo without a password, to provision",
        "write root@HOST, or give this user NOPASSWD in sudoers",
    )
    return (found,) if found else ()


def judge_target(
    target: Target, facts: DeviceFacts, *, recognised: str, runners: frozenset[str]
) -> tuple[Finding, ...]:
    """How a device differs from the board type that a release is for.

    Args:
        target: what the release was built for.
        facts: the device.
        recognised: name of the target that the device was recognised as, or empty.
        runners: what runs the release's engines.
    """
    board = _warn(
        recognised in ("", target.name) or not target.recognise.arch,
        "the board",
        recognised,
        target.name,
        f"build with --target {recognised}",
    )
    findings = [board] if board else []
    for needed in target.accelerators:
        there = [accelerator for accelerator in facts.accelerators if accelerator.kind == needed.kind]
        if needed.kind in runners:
            findings += _judge_accelerator(needed, there[0] if there else None)
    return tuple(findings)


def _judge_accelerator(needed: Accelerator, found: Accelerator | None) -> list[Finding]:
    runtime = _RUNTIMES[needed.kind]
    missing = _refuse(
        found is not None and bool(found.runtime_version),
        runtime,
        "",
        needed.runtime_version,
        "install the board maker's package; on RK3588 boot the vendor's kernel",
    )
    if missing or found is None:
        return [missing] if missing else []
    checks = (
        _warn(
            found.runtime_version.split(" ")[0] == needed.runtime_version.split(" ")[0],
            runtime,
            found.runtime_version,
            needed.runtime_version,
            "update the board, or build engines for the target that edgekit target probe writes",
        ),
        _warn(
            not needed.sm_count or found.sm_count == needed.sm_count,
            "the number of SMs that are on",
            str(found.sm_count or ""),
            str(needed.sm_count),
            "set the power mode, or build for the target that edgekit target probe writes",
        ),
        _warn(
            _mode(found) == _mode(needed) or not needed.power_mode or not found.power_mode,
            "the power mode",
            _mode(found),
            _mode(needed),
            "sudo nvpmodel -m with that mode's number: engines are tuned for it",
        ),
        _warn(
            found.kind != "rknn" or not found.driver_version or version_tuple(found.driver_version) >= _MIN_RKNPU,
            "the rknpu driver",
            found.driver_version,
            "0.9.6 or newer",
            "update the vendor's kernel: older drivers fail on NPU cores 1 and 2",
        ),
    )
    return [finding for finding in checks if finding]


def _mode(accelerator: Accelerator) -> str:
    conf = accelerator.power_conf.removesuffix(".conf")
    return f"{accelerator.power_mode} of {conf}" if conf else accelerator.power_mode


def _refuse(fits: bool, subject: str, found: str, needed: str, cure: str) -> Finding | None:
    return None if fits else Finding(severity="refuse", subject=subject, found=found, needed=needed, cure=cure)


def _warn(fits: bool, subject: str, found: str, needed: str, cure: str) -> Finding | None:
    return None if fits else Finding(severity="warn", subject=subject, found=found, needed=needed, cure=cure)
