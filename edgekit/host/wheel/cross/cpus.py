"""What a target's cores can execute: `cross/cpus.toml`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import reduce
from pathlib import Path

from edgekit.schema.reader import from_toml
from edgekit.schema.target import CpuCluster


@dataclass(frozen=True, slots=True, kw_only=True)
class Core:
    """One kind of core."""

    part: str
    """`CPU part` of /proc/cpuinfo: `0xd0b`."""
    name: str
    version: int
    """Of the architecture: 2 stands for armv8.2-a."""
    features: tuple[str, ...]
    """Extensions that it has, in GCC's words."""
    qemu: str
    """Name of an emulated core with the same instructions."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CpuData:
    """`cross/cpus.toml`."""

    cores: tuple[Core, ...]
    features: dict[str, str]
    """zig's name of each extension."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CpuLimits:
    """What every core of a target can execute."""

    version: int = 0
    features: tuple[tuple[str, str], ...] = ()
    """Extensions, sorted: GCC's name and zig's."""
    names: tuple[str, ...] = ()
    """The cores; empty where the target does not name them all."""
    qemu: str = "cortex-a53"
    """The emulated core with the fewest instructions of them."""

    def __str__(self) -> str:
        """For messages: `Cortex-A55, Cortex-A76`."""
        return ", ".join(self.names) or "armv8-a, as the target does not name a core that is known"


_UNKNOWN = CpuLimits()


def cpu_limits(clusters: Iterable[CpuCluster], cross: Path) -> CpuLimits:
    """What all cores of a target can execute; plain armv8-a where one of them is unknown.

    Args:
        clusters: the target's.
        cross: the data folder `cross`.
    """
    file = cross / "cpus.toml"
    data = from_toml(CpuData, file.read_text(encoding="utf-8"), str(file))
    known = {core.part: core for core in data.cores}
    cores = [known.get(cluster.part) for cluster in clusters]
    found = [core for core in cores if core]
    if not found or len(found) < len(cores):
        return _UNKNOWN
    common = reduce(lambda one, two: one & two, (frozenset(core.features) for core in found))
    weakest = min(found, key=lambda core: (core.version, len(core.features)))
    return CpuLimits(
        version=weakest.version,
        features=tuple((name, data.features[name]) for name in sorted(common)),
        names=tuple(sorted({core.name for core in found})),
        qemu=weakest.qemu,
    )
