"""Says what a board is: one of the known targets, or by name none of ours, and what can be done with it then. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from edgekit.host.catalogue.detect import Match, match_target, shared_marks
from edgekit.host.catalogue.offers import runs_releases
from edgekit.schema.board import OLDEST_PYTHON
from edgekit.schema.facts import DeviceFacts
from edgekit.schema.target import Target
from edgekit.schema.units import version_tuple

_OURS = re.compile(r"nvidia,tegra234|rockchip,rk3588s?|rockchip,rk358[23]|linux,dummy-virt")
_PROBED = "build the release for this board: edgekit target probe writes its target"
_OLDEST_WHEEL = (3, 8)
"""The oldest Python that single wheels are cross-built for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Family:
    """A kind of board that is none of ours."""

    marks: str
    """Pattern of device-tree strings."""
    name: str
    """With its article, for sentences."""
    why: str
    """Why its accelerator is of no use here."""
    ended: str = ""
    """Its maker's last system, where that has a Python that is too old."""


_RKNN = "its NPU takes other engines than an RK3588's"
_TENSORRT = "TensorRT engines are made for Orin alone"
_FAMILIES = (
    _Family(marks="nvidia,tegra264", name="a Jetson Thor", why=_TENSORRT),
    _Family(marks="nvidia,tegra194", name="a Jetson Xavier", why=_TENSORRT, ended="JetPack 5 with Python 3.8"),
    _Family(marks="nvidia,tegra186", name="a Jetson TX2", why=_TENSORRT, ended="JetPack 4 with Python 3.6"),
    _Family(marks="nvidia,tegra210", name="a Jetson Nano or TX1", why=_TENSORRT, ended="JetPack 4 with Python 3.6"),
    _Family(marks="rockchip,rk3576.*", name="an RK3576", why=_RKNN),
    _Family(marks="rockchip,rk3568.*", name="an RK3568", why=_RKNN),
    _Family(marks="rockchip,rk3566.*", name="an RK3566", why=_RKNN),
    _Family(marks="rockchip,rk3562.*", name="an RK3562", why=_RKNN),
    _Family(marks="rockchip,rk3399.*", name="an RK3399", why="it has no NPU that edgekit knows"),
    _Family(marks="raspberrypi,.*|brcm,bcm27[0-9]{2}|brcm,bcm283[0-9]", name="a Raspberry Pi", why="it has no NPU"),
)
"""Sources: JetPack's versions by board: NVIDIA's release notes, OE4T/meta-tegra; compatible strings: Linux,
Documentation/devicetree/bindings/arm/{tegra,rockchip,bcm2835}."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """What a board is to edgekit."""

    match: Match
    stranger: str = ""
    """What it is, where it is of no kind that edgekit has targets for: `a Jetson Thor`."""
    advice: str = ""
    """What can be done with it; empty where that is not known."""
    newer_python: str = ""
    """Where a Python that is new enough is to be had for it, or that there is none; empty where it has one."""

    rebuild: str = ""
    """What makes a release that is built for another system fit after all."""

    @property
    def kind(self) -> str:
        """The target that it is like, or what it is instead; empty where a board of ours has an unknown system."""
        return self.match.target or self.stranger


def identify(facts: DeviceFacts, targets: Sequence[Target]) -> Identity:
    """Say what a board is, and what can be done with one that is none of ours.

    Args:
        facts: the board's.
        targets: all that are known, the user's own among them: a board that one of them describes is no stranger.
    """
    match = match_target(facts, targets)
    family = next((one for one in _FAMILIES if _is(facts, one.marks)), None)
    ours = bool(match.target) or any(_OURS.fullmatch(text) for text in facts.compatible)
    python = _newer_python(facts, targets, family)
    if ours:
        known = f"build with --target {match.target}" if match.target else ""
        rebuild = python or known or _PROBED
        return Identity(match=match, advice=python or known, newer_python=python, rebuild=rebuild)
    name = family.name if family else _described(facts)
    why = f" ({family.why})" if family else ""
    advice = _possible(facts, python, why)
    rebuild = advice if python or _is_foreign(facts) else _PROBED
    return Identity(match=match, stranger=name, advice=advice, newer_python=python, rebuild=rebuild)


def _is(facts: DeviceFacts, marks: str) -> bool:
    return any(re.fullmatch(marks, text) for text in facts.compatible)


def _described(facts: DeviceFacts) -> str:
    """A board of no known family, by what it says of itself."""
    if facts.arch == "x86_64":
        return "an x86-64 machine"
    named = facts.model or next(iter(facts.compatible), "")
    return f"a board of an unknown kind ({named})" if named else f"a machine of architecture {facts.arch or 'unknown'}"


def _is_foreign(facts: DeviceFacts) -> bool:
    """Whether nothing is built for such a system at all."""
    return facts.arch not in ("aarch64", "x86_64") or facts.libc != "glibc"


def _possible(facts: DeviceFacts, python: str, why: str) -> str:
    """What can be done with a board that is none of ours."""
    if _is_foreign(facts):
        return "nothing: edgekit builds for 64-bit systems with glibc"
    if not python:
        return f"the CPU alone{why}: edgekit target probe writes its target, and releases for that run on ONNX Runtime"
    if version_tuple(facts.python.version)[:2] >= _OLDEST_WHEEL:
        return f"single wheels alone, for the target that edgekit target probe writes: {python}"
    return f"nothing: {python}"


def _newer_python(facts: DeviceFacts, targets: Sequence[Target], family: _Family | None) -> str:
    """How to come by a Python that keeper and workers run on: a system's own counts, `/usr/bin/python3`."""
    if version_tuple(facts.python.version)[:2] >= OLDEST_PYTHON:
        return ""
    others = [one.name for one in shared_marks(facts, targets) if runs_releases(one)]
    if others:
        return f"flash an image that has one: that of target {' or '.join(others)}"
    if family and family.ended:
        return f"its maker's last system is {family.ended}, so keeper and workers do not run on it"
    return (
        "flash an image that has one, such as Debian 12 or Ubuntu 22.04, where its maker has it: none is added to this"
    )
