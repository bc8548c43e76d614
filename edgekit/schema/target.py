"""What a board type is: `targets/<name>.toml`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from edgekit.schema.bounds import Between, Matches
from edgekit.schema.names import FileName, FolderPath, MinorVersion, OneLine
from edgekit.schema.units import Bytes, Cpus, SmallestUnit, version_tuple

AcceleratorKind = Literal["onnxruntime", "tensorrt", "rknn"]
Evidence = Literal["", "virtual board", "published outputs", "datasheet", "probe"]
"""How a board type is known: run on a virtual board; held against outputs that owners of such boards published; from
data sheets and configurations alone; read from one board by `edgekit target probe`."""
Cores = Annotated[int, Between(0, 1024)]
Capability = Annotated[str, Matches("(?:[0-9]{1,2}[.][0-9])?", 'a compute capability such as "8.7"')]


@dataclass(frozen=True, slots=True, kw_only=True)
class Os:
    """The operating system that wheels and the keeper meet there."""

    id: str
    """`ID` of os-release: `debian`, `ubuntu`."""
    version: str
    """`VERSION_ID` of os-release."""
    arch: Literal["aarch64", "x86_64"]
    libc: Literal["glibc"] = "glibc"
    libc_version: MinorVersion
    python: MinorVersion
    """Minor version of the Python that runs workers: `3.11`."""
    python_path: FolderPath = "/usr/bin/python3"
    soabi: str = ""
    """`SOABI` of that Python's sysconfig, where known: `cpython-311-aarch64-linux-gnu`."""
    glibcxx: str = ""
    """Highest symbol version of its libstdc++, `3.4.30`; empty: as the well-known image has it."""
    libraries: tuple[str, ...] = ()
    """Further libraries of the image that packages may count on, as patterns of file names: `libgomp.so.1`."""
    kernel: str = ""
    """Kernel release as far as the image fixes it: `5.15-tegra`."""
    l4t: str = ""
    jetpack: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CpuCluster:
    """CPUs that share a frequency and a strength."""

    name: OneLine
    cpus: Cpus
    capacity: Annotated[int, Between(1, 1024)] = 1024
    """The scheduler's `cpu_capacity`, 1..1024; the strongest CPU of a system has 1024."""
    part: str = ""
    """`CPU part` of /proc/cpuinfo: `0xd0b` is a Cortex-A76."""
    max_khz: Annotated[int, Between(0, 100_000_000)] = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """The memory that CPU and accelerators share on these boards."""

    total_bytes: Annotated[Bytes, SmallestUnit("M")]
    page_bytes: Annotated[Bytes, SmallestUnit("K")] = Bytes(4096)


@dataclass(frozen=True, slots=True, kw_only=True)
class Accelerator:
    """One kind of engine that the board can run, besides ONNX Runtime on its CPU."""

    kind: AcceleratorKind
    soc: str = ""
    """SoC or GPU family: `rk3588`, `tegra234`."""
    runtime_version: str = ""
    """Version of libnvinfer, librknnrt or onnxruntime on the board; empty: not told, or not installed."""
    driver_version: str = ""
    sm: Capability = ""
    """CUDA compute capability: `8.7`."""
    sm_count: Cores = 0
    cuda: str = ""
    npu_cores: Cores = 0
    dla_cores: Cores = 0
    power_mode: str = ""
    """Name of the mode in which the board is deployed: `25W`. Numbers differ between boards."""
    power_conf: str = ""
    """The nvpmodel configuration that the name is from: the same name means other clocks in another."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cgroup:
    """What the board's kernel can limit."""

    version: Literal[1, 2] = 2
    controllers: tuple[str, ...] = ("cpu", "cpuset", "io", "memory", "pids")
    caution: str = ""
    """What such boards need before limits hold there: builds whose limits are enforced say it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recognise:
    """How to tell such a board: it matches when all that is given matches."""

    compatible: tuple[str, ...] = ()
    """Device-tree strings; one of them must be in /proc/device-tree/compatible, where `-super` does not count."""
    os_id: str = ""
    os_version: str = ""
    l4t: tuple[str, ...] = ()
    """Releases of Jetson Linux, one of which it must be: `36.4` stands for 36.4.7 too."""
    arch: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A board type, whole: every field filled."""

    name: str
    title: str
    known_from: Evidence = ""
    os: Os
    clusters: tuple[CpuCluster, ...]
    memory: Memory
    cgroup: Cgroup = Cgroup()
    accelerators: tuple[Accelerator, ...] = ()
    recognise: Recognise = Recognise()
    notes: str = ""

    @property
    def accelerators_apart(self) -> bool:
        """Whether what engines take on an accelerator is in no account of a process. Source: NVIDIA nvmap, r39.2,
        nvmap_alloc.c: pages are charged, and count as the task's; those of earlier releases and of rknpu are not."""
        return version_tuple(self.os.l4t) < (39,)

    @property
    def cpus(self) -> tuple[int, ...]:
        """All CPU numbers, strongest cluster first, ascending within one."""
        strongest_first = sorted(self.clusters, key=lambda cluster: -cluster.capacity)
        return tuple(cpu for cluster in strongest_first for cpu in sorted(cluster.cpus))


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetPart:
    """What several targets have in common: `targets/boards/NAME.toml`, the hardware, or `targets/images/NAME.toml`,
    the system that was flashed onto it."""

    os: Os | None = None
    clusters: tuple[CpuCluster, ...] = ()
    memory: Memory | None = None
    cgroup: Cgroup | None = None
    accelerators: tuple[Accelerator, ...] = ()
    recognise: Recognise = Recognise()
    notes: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetFile:
    """A target as written. `this_machine = true` stands for everything that a probe of this machine finds."""

    name: FileName
    title: str
    this_machine: bool = False
    known_from: Evidence = ""
    """How well this board type is known."""
    board: FileName = ""
    """The hardware, from `boards/NAME.toml` beside this file or as shipped; empty: it is all said here."""
    image: FileName = ""
    """The system on it, from `images/NAME.toml`. Tables that this file has itself come before those of its parts; of
    accelerators of one kind, and of `recognise`, single keys do; notes are added up."""
    os: Os | None = None
    clusters: tuple[CpuCluster, ...] = ()
    memory: Memory | None = None
    cgroup: Cgroup | None = None
    accelerators: tuple[Accelerator, ...] = ()
    recognise: Recognise = Recognise()
    notes: str = ""
