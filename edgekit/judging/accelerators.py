"""Judges whether applications may compute on one board's accelerators beside each other, and have time enough there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from edgekit.schema.accelerators import GPU, AcceleratorUse

_FULL_PERCENT = 100.0


class Overuse(NamedTuple):
    """Why an application does not fit beside others."""

    message: str
    hint: str


def either(uses: Iterable[AcceleratorUse]) -> AcceleratorUse:
    """What an application takes that runs any one of several releases: of each accelerator what most of them would."""
    some = tuple(uses)
    busy: dict[str, float] = {}
    for use in some:
        for name, percent in use.busy_percent.items():
            busy[name] = max(percent, busy.get(name, 0.0))
    used = sorted({name for use in some for name in use.used})
    return AcceleratorUse(used=tuple(used), shared=all(use.shared for use in some), busy_percent=busy)


def find_overuse(application: str, use: AcceleratorUse, others: Mapping[str, AcceleratorUse]) -> Iterator[Overuse]:
    """Every reason why an application may not begin beside others.

    Args:
        application: which.
        use: what it takes.
        others: what each that runs or shall run takes.
    """
    beside = {name: other for name, other in sorted(others.items()) if name != application}
    for name, other in beside.items():
        both = [one for one in use.used if one in other.used and one != GPU]
        if both and not (use.shared and other.shared):
            yield _not_shared(application, use, name, other, both)
    for accelerator in use.used:
        busy = _busy(accelerator, {application: use, **beside})
        together = sum(busy.values())
        if application in busy and together > _FULL_PERCENT:
            listed = " + ".join(f"{name} {percent:.4g} %" for name, percent in busy.items())
            total = f" = {together:.4g} %" if len(busy) > 1 else ""
            yield Overuse(
                f"{accelerator} has not enough time for its applications: {listed}{total} of 100 %",
                "lower max_fps of sources in recipe.toml, or take a faster model",
            )


def not_added_up(application: str, use: AcceleratorUse, others: Mapping[str, AcceleratorUse]) -> tuple[str, ...]:
    """What is not known of accelerators that an application shares with others: a sentence for each."""
    found = []
    for accelerator in use.used:
        there = {application: use, **others}
        users = [name for name in sorted(there) if accelerator in there[name].used]
        unknown = [name for name in users if accelerator not in there[name].busy_percent]
        if len(users) > 1 and unknown:
            found.append(
                f"how busy {accelerator} will be is not known: {', '.join(unknown)} was built without a profile of it"
            )
    return tuple(found)


def _busy(accelerator: str, uses: Mapping[str, AcceleratorUse]) -> dict[str, float]:
    return {name: use.busy_percent[accelerator] for name, use in uses.items() if accelerator in use.busy_percent}


def _not_shared(
    application: str, use: AcceleratorUse, other: str, there: AcceleratorUse, cores: Iterable[str]
) -> Overuse:
    unwilling = [name for name, one in ((application, use), (other, there)) if not one.shared]
    whose = f"neither {application} nor {other} agrees" if len(unwilling) == 2 else f"{unwilling[0]} does not agree"
    return Overuse(
        f"{application} computes on {', '.join(cores)}, which {other} has, and {whose} to share",
        f"write share_accelerators = true in [limits] of {' and '.join(unwilling)}, give them other cores "
        f"(limits.npu_cores, a model's dla_core), or make room: edgekit stop DEVICE {other}",
    )
