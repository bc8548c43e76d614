"""What is wrong with a board itself, whatever shall run there: found on real boards, hard to see on them. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import PurePosixPath

from edgekit.host.fit.finding import Finding, warn
from edgekit.host.fit.rknn import BAD_DRIVER_NEEDS, BAD_DRIVERS, DRIVER, NEWER_KERNEL
from edgekit.host.fit.tensorrt import POWER_MODE
from edgekit.schema.facts import DeviceFacts, NamedLibrary
from edgekit.schema.units import version_tuple


def judge_condition(facts: DeviceFacts) -> tuple[Finding, ...]:
    """Every such thing, each with what ends it; all are warnings, as releases differ in what they need."""
    checks = (*_npu(facts), _power_mode(facts), *(_name(library) for library in facts.named_librknnrt))
    return tuple(found for found in checks if found)


def _npu(facts: DeviceFacts) -> Iterator[Finding | None]:
    """Source: invisiofficial/rk-llama.cpp#19 for the link; `BAD_DRIVERS` names its own."""
    yield warn(
        not facts.npu_link,
        "/dev/rknpu",
        f"a link to {facts.npu_link}, with which librknnrt takes this driver for an older kind",
        "no such name",
        "sudo rm /dev/rknpu, and remove the rule that makes it: grep -l rknpu /etc/udev/rules.d/* /lib/udev/rules.d/*",
    )
    for npu in facts.accelerators:
        bad = npu.kind == "rknn" and version_tuple(npu.driver_version)[:3] in BAD_DRIVERS
        yield warn(not bad, DRIVER, npu.driver_version, BAD_DRIVER_NEEDS, NEWER_KERNEL)


def _power_mode(facts: DeviceFacts) -> Finding | None:
    number, _, name = facts.power_choices[0].partition(" ") if facts.power_choices else ("", "", "")
    return warn(
        not facts.power_choices,
        POWER_MODE,
        "not set",
        f"one of {', '.join(facts.power_choices)}",
        f"sudo nvpmodel -m {number} sets {name}; reboot where it asks for that",
    )


def _name(library: NamedLibrary) -> Finding | None:
    """A file's name may say less than the library, `librknnrt.so.2`, but nothing else."""
    own, inside = PurePosixPath(library.path), re.match("[0-9]+(?:[.][0-9]+)*", library.version)
    if inside is None:
        return None
    named = own.name.removeprefix("librknnrt.so.")
    right = f"librknnrt.so.{inside.group()}"
    steps = [f"sudo mv {own} {own.with_name(right)}", *(f"sudo ln -sfn {right} {link}" for link in library.links)]
    version = version_tuple(named)
    return warn(
        version_tuple(inside.group())[: len(version)] == version,
        str(own),
        f"librknnrt {inside.group()} inside",
        f"{named}, as its name says",
        " && ".join(steps),
    )
