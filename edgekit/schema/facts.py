"""What was observed on one device. `edgekit/sent/facts` prints it as JSON; both sides read it from here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from edgekit.schema.bounds import Between, Length
from edgekit.schema.memory import ByteCount, Count
from edgekit.schema.target import Accelerator, CpuCluster
from edgekit.schema.units import MAX_CPU, MAX_CPUS

_Cpus = Annotated[tuple[Annotated[int, Between(0, MAX_CPU)], ...], Length(maximum=MAX_CPUS)]
_WallClock = Annotated[float, Between(-1e11, 1e11)]
"""Within the years that a date can have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PythonFacts:
    """The Python that will run keeper and workers."""

    path: str
    version: str
    """Full: `3.11.2`."""
    soabi: str
    platform: str
    """sysconfig.get_platform(): `linux-aarch64`."""
    sysconfig: dict[str, str]
    """The build variables that cross-building needs: EXT_SUFFIX, MULTIARCH, CC, CFLAGS, INCLUDEPY, ..."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedLibrary:
    """A library's file whose name tells a version."""

    path: str
    version: str
    """What the library says inside, `2.3.2 (429f97ae6b@...)`: names lie."""
    links: tuple[str, ...]
    """Symbolic links beside it that lead to it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceFacts:
    """One device, as probed. Empty text and zero mean "not found there"."""

    model: str
    compatible: tuple[str, ...]
    """The device tree's strings: what was flashed."""
    module: str = ""
    """The Jetson module that is plugged in, `p3767-0001`; empty elsewhere."""
    arch: str
    kernel: str
    os_id: str
    os_version: str
    os_title: str
    libc: str
    """`glibc`; empty where it is another or not told."""
    libc_version: str
    glibcxx: str = ""
    """Highest symbol version of its libstdc++: `3.4.30`."""
    l4t: str
    python: PythonFacts
    clusters: tuple[CpuCluster, ...]
    """Of the CPUs that are on."""
    cpus_online: _Cpus
    cpus_present: _Cpus
    """With those that the power mode or the operator has switched off."""
    memory_bytes: ByteCount
    memory_available_bytes: ByteCount
    page_bytes: ByteCount
    cgroup_version: Annotated[int, Between(0, 2)]
    """2, 1, or 0 where none is mounted. A hybrid tree counts as 1."""
    cgroup_controllers: tuple[str, ...]
    cgroup_1_by: str = ""
    """Where the boot arguments ask for version 1: `/boot/firmware/ubuntuEnv.txt, line 3`."""
    psi: bool
    accelerators: tuple[Accelerator, ...]
    gpu_min_hz: Count = 0
    gpu_max_hz: Count = 0
    """Bounds of the GPU's clock now; the same where it is locked."""
    pip_tensorrt: str = ""
    """Version of a TensorRT from pip, which that Python would import instead of the board's own."""
    librknnrt: tuple[str, ...] = ()
    """Every copy of the NPU's runtime, `/usr/lib/librknnrt.so 2.3.2 (...)`; the worker loads the first."""
    named_librknnrt: tuple[NamedLibrary, ...] = ()
    """Its files with a version in their names."""
    librga: str = ""
    """The 2D engine's library, `/usr/lib/librga.so 1.10.1_[0]`; empty: there is none."""
    rga_driver: bool = False
    """Whether the kernel serves the 2D engine: /dev/rga."""
    npu_kernel: str
    """`vendor`, `mainline` (rocket) or empty."""
    npu_link: str = ""
    """`renderD129` where /dev/rknpu is a link to that DRM node."""
    power_choices: tuple[str, ...] = ()
    """Where no power mode is set: those that there are, `2 MODE_30W`, the default first."""
    systemd: str
    """systemd's version; empty where it is not what runs the system."""
    ssh_keygen: bool
    disk_free_bytes: ByteCount
    """Free for edgekit's state directory."""
    clock_s: _WallClock
    """The device's wall clock, seconds since the epoch: signatures have validity times."""
    uid: Count
    warnings: tuple[str, ...] = ()
    """What could not be read or is not as usual, each a sentence."""
