"""From facts to targets: which known board type a device is, and a target for one that is unknown. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from edgekit.errors import InputError
from edgekit.schema.facts import DeviceFacts
from edgekit.schema.target import Cgroup, Memory, Os, Recognise, Target
from edgekit.schema.units import Bytes, version_tuple

_MODULE = re.compile(r"p3(?:701|767)-[0-9]{4}")
"""An Orin module's number. Source: jetson-stats, MODULE_NAME_TABLE."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """What a device was recognised as."""

    target: str
    """Name, or empty."""
    reasons: dict[str, tuple[str, ...]]
    """For each other target, why it is not that one."""


def match_target(facts: DeviceFacts, targets: Sequence[Target]) -> Match:
    """Find the target whose marks all fit; of several, the most specific, then the one with most marks, then the
    one that describes this very board best: what a probe of it wrote comes before a shipped target with the same marks.

    Targets without marks (such as `host`) are never matched.
    """
    reasons = {target.name: _misfits(facts, target.recognise) for target in targets if _weight(target.recognise)}
    fitting = [target for target in targets if reasons.get(target.name) == ()]
    best = max(
        fitting,
        key=lambda target: (_rank(facts, target.recognise), _weight(target.recognise), _likeness(facts, target)),
        default=None,
    )
    name = best.name if best else ""
    beside = {other: why or (f"{name} fits better",) for other, why in reasons.items() if other != name}
    return Match(target=name, reasons=beside)


def _compatible(facts: DeviceFacts) -> tuple[str, ...]:
    """The device tree's strings, with the module that is plugged in where another one was flashed.

    Orin modules say `-super` after an update of the boot firmware: the same board.
    """
    flashed = tuple(text.removesuffix("-super") for text in facts.compatible)
    if any(facts.module in text for text in flashed):
        return flashed
    return tuple(_MODULE.sub(facts.module, text) for text in flashed)


def _rank(facts: DeviceFacts, marks: Recognise) -> int:
    """How specific the matching device-tree string is: the tree lists the most specific first."""
    compatible = _compatible(facts)
    places = [compatible.index(text) for text in marks.compatible if text in compatible]
    return len(compatible) - min(places) if places else 0


def has_marks(facts: DeviceFacts, target: Target) -> bool:
    """Whether a device is of a target, though another one may describe it better: `host`, without marks, fits all."""
    return not _misfits(facts, target.recognise)


def shared_marks(facts: DeviceFacts, targets: Sequence[Target]) -> tuple[Target, ...]:
    """Targets of the same hardware, whatever system it has now: those that name it most specifically."""
    ranks = {target.name: _rank(facts, target.recognise) for target in targets}
    best = max(ranks.values(), default=0)
    return tuple(target for target in targets if best and ranks[target.name] == best)


def _weight(marks: Recognise) -> int:
    return sum(map(bool, (marks.compatible, marks.os_id, marks.os_version, marks.l4t, marks.arch)))


def _likeness(facts: DeviceFacts, target: Target) -> int:
    """In how much else a target is as the board is now."""
    described = (
        (target.clusters, facts.clusters),
        (target.accelerators, facts.accelerators),
        (target.memory.total_bytes, facts.memory_bytes),
        (target.cgroup.version, facts.cgroup_version),
        (target.os.kernel, facts.kernel),
        (target.os.l4t, facts.l4t),
    )
    return sum(listed == found for listed, found in described)


def _misfits(facts: DeviceFacts, marks: Recognise) -> tuple[str, ...]:
    """Every mark that does not fit, in words."""
    compatible = _compatible(facts)
    l4t = any(version_tuple(facts.l4t)[: len(part)] == part for part in map(version_tuple, marks.l4t))
    checks = (
        (set(marks.compatible) & set(compatible), "the device tree", " ".join(compatible), marks.compatible),
        (marks.arch == facts.arch, "the architecture", facts.arch, (marks.arch,)),
        (marks.os_id == facts.os_id, "the system", facts.os_id, (marks.os_id,)),
        (marks.os_version == facts.os_version, "its version", facts.os_version, (marks.os_version,)),
        (l4t, "L4T", facts.l4t, marks.l4t),
    )
    return tuple(
        f"{what} is {found or 'not there'}, not {' or '.join(wanted)}"
        for fits, what, found, wanted in checks
        if any(wanted) and not fits
    )


def target_from_facts(facts: DeviceFacts, *, name: str, title: str = "") -> Target:
    """A target that describes just this device, in the power mode that it is in.

    Raises:
        InputError: edgekit builds nothing for such a machine.
    """
    if not facts.libc_version or not facts.python.version or not facts.clusters:
        missing = "; ".join(facts.warnings) or "its libc, Python or CPUs are not known"
        raise InputError(f"{name}: no target can be written: {missing}", hint="use a system with glibc and python3")
    return Target(
        name=name,
        known_from="probe",
        title=title or facts.model or f"{facts.os_title} on {facts.arch}",
        os=Os(
            id=facts.os_id,
            version=facts.os_version,
            arch=_arch(facts, name),
            libc_version=facts.libc_version,
            python=".".join(facts.python.version.split(".")[:2]),
            python_path=facts.python.path,
            soabi=facts.python.soabi,
            glibcxx=facts.glibcxx,
            kernel=facts.kernel,
            l4t=facts.l4t,
        ),
        clusters=facts.clusters,
        memory=Memory(total_bytes=Bytes(facts.memory_bytes), page_bytes=Bytes(facts.page_bytes)),
        cgroup=Cgroup(version=2 if facts.cgroup_version == 2 else 1, controllers=facts.cgroup_controllers),
        accelerators=facts.accelerators,
        recognise=Recognise(
            compatible=_compatible(facts)[:1],
            os_id=facts.os_id,
            os_version=facts.os_version,
            l4t=(facts.l4t,) if facts.l4t else (),
            arch=facts.arch,
        ),
    )


def _arch(facts: DeviceFacts, name: str) -> Literal["aarch64", "x86_64"]:
    match facts.arch:
        case "aarch64" | "x86_64" as known:
            return known
    message = f"{name} is a machine of architecture {facts.arch or 'unknown'}; edgekit builds for aarch64 and x86_64"
    raise InputError(message, hint="use a 64-bit system on the board")


def name_from_facts(facts: DeviceFacts) -> str:
    """A name for a target that describes just this device: its most specific device-tree string and its system."""
    board = _compatible(facts)[0].partition(",")[2] if facts.compatible else facts.model or facts.arch
    system = f"{facts.os_id}{facts.os_version}".replace(".", "")
    return re.sub("[^a-z0-9]+", "-", f"{board}-{system}".lower()).strip("-")
