"""What a target offers: wheels, engines, limits; and whether a release can run there at all. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edgekit.errors import InputError
from edgekit.schema.board import OLDEST_PYTHON
from edgekit.schema.target import Accelerator, Target
from edgekit.schema.units import version_tuple


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetOffer:
    """What can be had for boards of a target, in words."""

    wheels: str
    engines: str
    limits: str


def offer_of(target: Target) -> TargetOffer:
    """What can be had for boards of a target."""
    wheels = f"cp{target.os.python.replace('.', '')}, glibc {target.os.libc_version}"
    if not runs_releases(target):
        return TargetOffer(wheels=f"{wheels}, alone", engines=f"none: Python {target.os.python}", limits="none")
    engines = [_engines(accelerator) for accelerator in target.accelerators] or ["onnxruntime on the CPU"]
    return TargetOffer(wheels=wheels, engines=", ".join(engines), limits=_limits(target))


def runs_releases(target: Target) -> bool:
    """Whether keeper and workers run on such boards."""
    return version_tuple(target.os.python) >= OLDEST_PYTHON


def check_runs_releases(target: Target, targets: Sequence[Target]) -> None:
    """Refuse a target that no release can run on, with what can be had instead.

    Args:
        target: what a release is asked for.
        targets: all that are known: among them the same board with a newer system.

    Raises:
        InputError: its Python is too old.
    """
    if runs_releases(target):
        return
    same = frozenset(target.recognise.compatible)
    others = [one.name for one in targets if same & frozenset(one.recognise.compatible) and runs_releases(one)]
    newer = f", or flash the board anew and build for {' or '.join(others)}" if others else ""
    raise InputError(
        f"{target.name} has Python {target.os.python}, and keeper and workers need {_OLDEST}: "
        "single wheels alone can be had for it",
        hint=f"edgekit wheel build REQUIREMENT --target {target.name}{newer}",
    )


_OLDEST = ".".join(map(str, OLDEST_PYTHON))


def _engines(accelerator: Accelerator) -> str:
    """How engines for an accelerator are made, and what they are bound to."""
    runtime = f"{accelerator.kind} {accelerator.runtime_version}".rstrip()
    match accelerator.kind:
        case "onnxruntime":
            return f"{runtime} on the CPU"
        case "rknn":
            return f"{runtime} for {accelerator.soc}, made here"
        case "tensorrt" if not accelerator.sm_count:
            return f"{runtime}, by a builder device of the same module"
        case "tensorrt":
            dla = f", {accelerator.dla_cores} DLA" if accelerator.dla_cores else ""
            mode = f" in {accelerator.power_mode}" if accelerator.power_mode else ""
            return f"{runtime} for {accelerator.sm_count} SMs{mode}{dla}, by a builder device"


def _limits(target: Target) -> str:
    if target.cgroup.version != 2:
        return "advisory: cgroup version 1"
    return "enforced, once cgroup version 2 is on" if target.cgroup.caution else "enforced"
