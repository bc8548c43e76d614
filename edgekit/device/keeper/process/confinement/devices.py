"""Which device nodes a worker may open: what its runner and its sources need, and what every program may.

Classes of devices are allowed by their major number, so that a camera that is plugged in later is among them.

Source: Linux, Documentation/admin-guide/devices.txt; nodes of Jetson and RK3588 boards as their drivers make them.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from edgekit.schema.plan import WorkerPlan
from edgekit.schema.source import GstreamerSource, PythonSource, V4l2Source

_ANY = -1
_MISC = 10
"""Major number that drivers of all kinds share."""
_NO_DRIVERS = (1, 4, 5)
"""Memory and the kernel's log; consoles."""
_VIDEO = 81
"""Cameras and video codecs of the kernel."""
_MEDIA = ("media*", "v4l-subdev*")
_TEGRA = ("nv*", "nvgpu/*", "nvgpu/*/*", "nvidia-caps/*", "host1x*", "tegra*", "v4l2-nv*", "dri/*")
_ROCKCHIP = ("dri/*", "rknpu*", "rga*", "mpp_service", "iep", "mali*", "dma_heap/*", "sw_sync", "accel/*")
_NEVER = ("nvme", "nvram", "nvmem")
"""Begin as NVIDIA's do, and are disks and settings."""
_RUNNERS = {"tensorrt": _TEGRA, "rknn": _ROCKCHIP, "onnxruntime": ()}
_MAX_RULES = 128


@dataclass(frozen=True, slots=True, order=True)
class DeviceRule:
    """Character devices that may be opened for reading and writing."""

    major: int
    minor: int = _ANY
    """-1: all of the major number."""


_EVERYBODYS = (*(DeviceRule(1, minor) for minor in (3, 5, 7, 8, 9)), DeviceRule(5, 0))
"""null, zero, full, random, urandom; tty."""


def device_rules(plan: WorkerPlan, dev: Path = Path("/dev")) -> tuple[DeviceRule, ...]:
    """What a plan's worker may open on this board, as it is now."""
    found = {*_EVERYBODYS, *_of_nodes(dev, _patterns(plan))}
    if any(isinstance(source, (V4l2Source, GstreamerSource, PythonSource)) for source in plan.sources.values()):
        found |= {DeviceRule(_VIDEO), *_of_nodes(dev, _MEDIA)}
    found |= set(_named(dev, plan.limits.devices))
    return tuple(sorted(found))[:_MAX_RULES]


def _patterns(plan: WorkerPlan) -> tuple[str, ...]:
    if any(isinstance(source, GstreamerSource) for source in plan.sources.values()):
        return (*_TEGRA, *_ROCKCHIP)  # decoders of the board's own, whichever it has
    return tuple(pattern for engine in plan.engines.values() for pattern in _RUNNERS[engine.runner])


def _of_nodes(dev: Path, patterns: Iterable[str]) -> Iterator[DeviceRule]:
    """Drivers make nodes as they need them: their whole major number, but for the one that all share."""
    for pattern in patterns:
        for path in dev.glob(pattern):
            rule = None if path.name.startswith(_NEVER) else _exact(path)
            if rule:
                yield rule if rule.major == _MISC else DeviceRule(rule.major)


def _named(dev: Path, paths: Iterable[str]) -> Iterator[DeviceRule]:
    for path in paths:
        rule = _exact(dev / path.removeprefix("/dev/"))
        if rule:
            yield rule


def _exact(path: Path) -> DeviceRule | None:
    number = _number(path)
    return None if number is None or number[0] in _NO_DRIVERS else DeviceRule(*number)


def _number(path: Path) -> tuple[int, int] | None:
    """Major and minor number of a character device."""
    try:
        found = path.stat()
    except OSError:
        return None
    if not stat.S_ISCHR(found.st_mode):
        return None
    return os.major(found.st_rdev), os.minor(found.st_rdev)
