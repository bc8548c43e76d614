"""From facts to targets: which known board type a device is, and a target for one that is unknown. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from edgekit.schema.facts import DeviceFacts
from edgekit.schema.target import Cgroup, Memory, Os, Recognise, Target
from edgekit.schema.units import Bytes, version_tuple


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """What a device was recognised as."""

    target: str
    """Name, or empty."""
    reasons: dict[str, tuple[str, ...]]
    """For each other target, why it is not that one."""


def match_target(facts: DeviceFacts, targets: Sequence[Target]) -> Match:
    """Find the target whose marks all fit; of several, the one with the most marks.

    Targets without marks (such as `host`) are never matched.
    """
    reasons = {target.name: _misfits(facts, target.recognise) for target in targets}
    fitting = [target for target in targets if _weight(target.recognise) and not reasons[target.name]]
    best = max(fitting, key=lambda target: (_rank(facts, target.recognise), _weight(target.recognise)), default=None)
    return Match(
        target=best.name if best else "",
        reasons={
            name: why or ("another target fits better",)
            for name, why in reasons.items()
            if not best or name != best.name
        },
    )


def _rank(facts: DeviceFacts, marks: Recognise) -> int:
    """How specific the matching device-tree string is: the tree lists the most specific first."""
    places = [facts.compatible.index(text) for text in marks.compatible if text in facts.compatible]
    return len(facts.compatible) - min(places) if places else 0


def _weight(marks: Recognise) -> int:
    return sum(map(bool, (marks.compatible, marks.os_id, marks.os_version, marks.l4t_major, marks.arch)))


def _misfits(facts: DeviceFacts, marks: Recognise) -> tuple[str, ...]:
    """Every mark that does not fit, as `what: found, needed`."""
    major = version_tuple(facts.l4t)[:1]
    checks = (
        (
            not marks.compatible or set(marks.compatible) & set(facts.compatible),
            "device tree",
            " ".join(facts.compatible),
            " or ".join(marks.compatible),
        ),
        (marks.os_id in ("", facts.os_id), "os", facts.os_id, marks.os_id),
        (marks.os_version in ("", facts.os_version), "os version", facts.os_version, marks.os_version),
        (not marks.l4t_major or major == (marks.l4t_major,), "L4T", facts.l4t, str(marks.l4t_major)),
        (marks.arch in ("", facts.arch), "architecture", facts.arch, marks.arch),
    )
    return tuple(f"{what} is {found or 'not there'}, not {needed}" for fits, what, found, needed in checks if not fits)


def target_from_facts(facts: DeviceFacts, *, name: str, title: str = "") -> Target:
    """A target that describes just this device."""
    python = ".".join(facts.python.version.split(".")[:2])
    arch: Literal["aarch64", "x86_64"] = "x86_64" if facts.arch == "x86_64" else "aarch64"
    return Target(
        name=name,
        title=title or facts.model or f"{facts.os_title} on {facts.arch}",
        os=Os(
            id=facts.os_id,
            version=facts.os_version,
            arch=arch,
            libc_version=facts.libc_version,
            python=python,
            python_path=facts.python.path,
            soabi=facts.python.soabi,
            kernel=facts.kernel,
            l4t=facts.l4t,
        ),
        clusters=facts.clusters,
        memory=Memory(total_bytes=Bytes(facts.memory_bytes), page_bytes=Bytes(facts.page_bytes)),
        cgroup=Cgroup(version=2 if facts.cgroup_version == 2 else 1, controllers=facts.cgroup_controllers),
        accelerators=facts.accelerators,
        recognise=Recognise(
            compatible=facts.compatible[:1],
            os_id=facts.os_id,
            os_version=facts.os_version,
            l4t_major=(version_tuple(facts.l4t) or (0,))[0],
            arch=facts.arch,
        ),
    )
